package wording

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", 400 * time.Millisecond: "0s", 45 * time.Second: "45s", 90 * time.Second: "1m30s", 2 * time.Minute: "2m",
		10 * time.Minute: "10m", time.Hour: "1h", 90 * time.Minute: "1h30m", time.Hour + 5*time.Second: "1h0m5s",
	} {
		if got := Duration(d); got != want {
			t.Errorf("%s: %q, want %q", d, got, want)
		}
	}
}

func TestQuote(t *testing.T) {
	if got := Quote(" two\n\tlines \x1b[31mred\x1b[0m "); got != "two lines red" {
		t.Errorf("got %q", got)
	}
	long := Quote(strings.Repeat("ä", 400))
	if !utf8.ValidString(long) || len(long) > longest+len("…") || !strings.HasSuffix(long, "…") {
		t.Errorf("a long text became %q", long)
	}
}

func TestDistance(t *testing.T) {
	for words, want := range map[[2]string]int{
		{"", ""}: 0, {"web", "web"}: 0, {"web", "wed"}: 1, {"settings", "setings"}: 1, {"", "abc"}: 3, {"kitten", "sitting"}: 3,
	} {
		if got := Distance(words[0], words[1]); got != want {
			t.Errorf("%v: %d, want %d", words, got, want)
		}
		if got := Distance(words[1], words[0]); got != want {
			t.Errorf("%v the other way: %d, want %d", words, got, want)
		}
	}
}
