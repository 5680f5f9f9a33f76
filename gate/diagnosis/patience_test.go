package diagnosis

import (
	"strings"
	"testing"
	"time"
)

func TestParsePatience(t *testing.T) {
	p, err := ParsePatience("ImageNotFound=2m, AppCrash=90s,", " OomKilled,all")
	if err != nil {
		t.Fatal(err)
	}
	if p.Grace["ImageNotFound"] != 2*time.Minute || p.Grace["AppCrash"] != 90*time.Second || len(p.Grace) != 2 {
		t.Errorf("grace is %v", p.Grace)
	}
	if !p.NoFailFast["OomKilled"] || !p.NoFailFast["all"] || len(p.NoFailFast) != 2 {
		t.Errorf("no fail-fast is %v", p.NoFailFast)
	}
	if p, err := ParsePatience("", ""); err != nil || len(p.Grace)+len(p.NoFailFast) != 0 {
		t.Errorf("nothing asked: %v, %v", p, err)
	}
	for _, c := range []struct{ grace, noFailFast, want string }{
		{"ImageNotFound", "", `"ImageNotFound" is not CODE=DURATION`},
		{"ImageNotFound=soon", "", "for example ImageNotFound=2m"},
		{"ImageNotFound=-2m", "", "is not CODE=DURATION"},
		{"NoSuchCode=2m", "", `unknown cause "NoSuchCode"`},
		{"imagenotfound=2m", "", "it is spelled ImageNotFound"},
		{"", "appcrash", "it is spelled AppCrash"},
		{"", "ALL", `unknown cause "ALL"`},
	} {
		if _, err := ParsePatience(c.grace, c.noFailFast); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("ParsePatience(%q, %q): %v, want %q", c.grace, c.noFailFast, err, c.want)
		}
	}
}
