package analysis

import (
	"errors"
	"strings"

	"github.com/rolloutgate/rolloutgate/internal/wording"
)

// hinted is an error with advice. The advice stands on its own line at the
// end, and stays there when callers put their context in front.
type hinted struct{ text, hint string }

func (e *hinted) Error() string { return withHint(e.text, e.hint) }

func withHint(text, hint string) string {
	if hint == "" {
		return text
	}
	return text + "\n  hint: " + hint
}

// parts takes the advice off an error. Context that was put in front of a
// hinted error is lost, so this is for errors that came straight from here.
func parts(err error) (text, hint string) {
	var h *hinted
	if errors.As(err, &h) {
		return h.text, h.hint
	}
	return err.Error(), ""
}

// Closest returns the candidate that a reader most likely meant by word, or
// "" if none is near: at most half of its letters may differ. That catches
// typing slips, swapped letters in short words included, and little else.
func Closest(word string, candidates []string) string {
	best, bestDistance := "", 0
	for _, c := range candidates {
		d := wording.Distance(strings.ToLower(word), strings.ToLower(c))
		if d <= (len(c)+1)/2 && (best == "" || d < bestDistance) {
			best, bestDistance = c, d
		}
	}
	return best
}
