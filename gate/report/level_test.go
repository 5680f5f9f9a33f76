package report

import (
	"math"
	"testing"
)

// TestLevel: every number has its place on every scale, or none.
func TestLevel(t *testing.T) {
	inf, nan := math.Inf(1), math.NaN()
	for _, c := range []struct {
		v, top float64
		want   rune
	}{
		{0, 1, 'a'}, {0.5, 1, 'b'}, {1, 1, 'c'}, {2, 1, 'c'}, {-1, 1, 'a'}, {1, 0, 'a'}, {nan, 1, ' '}, {1, nan, ' '}, {nan, nan, ' '},
		{inf, 1, 'c'}, {inf, inf, 'c'}, {1, inf, 'a'}, {-inf, 1, 'a'}, {1, -inf, 'a'},
	} {
		if got := Level(c.v, c.top, "abc"); got != c.want {
			t.Errorf("Level(%g, %g) = %q, want %q", c.v, c.top, got, c.want)
		}
	}
}
