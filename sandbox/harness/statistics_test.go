package harness

import (
	"testing"
	"time"
)

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   float64
	}{
		{nil, 0}, {[]float64{7}, 7}, {[]float64{9, 1, 5}, 5}, {[]float64{4, 1, 3, 2}, 2.5},
	} {
		if got := Median(c.values); got != c.want {
			t.Errorf("Median(%v) = %v, want %v", c.values, got, c.want)
		}
	}
	if got := Median([]time.Duration{3, 1, 2}); got != 2 {
		t.Errorf("median of durations = %v, want 2ns", got)
	}
}

func TestPercentile(t *testing.T) {
	values := []float64{5, 3, 1, 4, 2}
	for p, want := range map[float64]float64{0: 1, 50: 3, 80: 4, 95: 5, 100: 5} {
		if got := Percentile(values, p); got != want {
			t.Errorf("Percentile(%v, %v) = %v, want %v", values, p, got, want)
		}
	}
	if got := Percentile([]float64{}, 95); got != 0 {
		t.Errorf("percentile of nothing = %v, want 0", got)
	}
}
