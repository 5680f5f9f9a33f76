package gate

import (
	"testing"
	"time"

	"github.com/rolloutgate/rolloutgate/gate/patch"
)

// TestDrainStages: all new pods beside the old ones, both in the traffic; then the new ones alone; then no old one.
func TestDrainStages(t *testing.T) {
	named := func(kind, name string, fields map[string]any) patch.Write {
		w := staged(kind, 4, fields)
		w.Ref.Name = name
		return w
	}
	db, old := named("StatefulSet", "db", nil), named("Deployment", "old", map[string]any{"strategy": map[string]any{"type": "Recreate"}})
	for name, c := range map[string]struct {
		services string
		canary   string
		others   []patch.Write
		want     string
	}{
		"alone":                        {"svc", "", nil, "beside: settings web+4 (web 4); drain: svc@new (web 4) judged; promote: web; unpin:  unpins judged"},
		"a Service of the release":     {"svc changed", "", nil, "beside: settings web+4 (web 4); drain: svc@new (web 4) judged; promote: web; unpin: svc unpins judged"},
		"no Service":                   {"", "", nil, ""},
		"others go out as ever":        {"svc", "", []patch.Write{db, old}, "beside: settings db old web+4 (web 4); drain: svc@new (web 4) judged; promote: web; unpin:  unpins judged"},
		"after a canary":               {"svc", "1,50%", nil, "canary 1: settings web+1 (web 1) judged; canary 50%: web+2 (web 2) judged; beside: web+4 (web 4) judged; drain: svc@new (web 4) judged; promote: web; unpin:  unpins judged"},
		"a StatefulSet after a canary": {"svc", "1", []patch.Write{db}, "canary 1: settings web+1 db>=3 (db 1) (web 1) judged; beside: web+4 (web 4) judged; drain: svc@new (web 4) judged; promote: web db; unpin:  unpins judged"},
		"a changed Service, canary":    {"svc changed", "1", nil, "canary 1: settings web+1 svc (web 1) judged; beside: web+4 (web 4) judged; drain: svc@new (web 4) judged; promote: web; unpin: svc unpins judged"},
	} {
		d := Delivery{}
		if c.canary != "" {
			d = shares(t, c.canary, time.Minute)
		}
		d.Drain = true
		p := fronted(c.services, append([]patch.Write{staged("Deployment", 4, nil)}, c.others...)...)
		stages, err := drain(d).Stages(p)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got := inWords(t, stages); got != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", name, got, c.want)
		}
		for _, s := range stages {
			if (s.Rest > 0) != (s.Name == "drain") {
				t.Errorf("%s: stage %s rests for %s", name, s.Name, s.Rest)
			}
		}
	}
}

// TestNoDrain: with a preview, or when nobody asks for it, it says nothing; what its canary refuses, it refuses.
func TestNoDrain(t *testing.T) {
	p := fronted("svc", staged("Deployment", 4, nil))
	both := previewed(0)
	both.Drain = true
	for _, d := range []Delivery{{}, both} {
		if stages, err := drain(d).Stages(p); len(stages) > 0 || err != nil {
			t.Errorf("%+v: %d stages, %v", d, len(stages), err)
		}
	}
	d := shares(t, "5", 0)
	d.Drain = true
	if _, err := drain(d).Stages(p); err == nil {
		t.Error("a canary of 5 of 4 pods is taken")
	}
}
