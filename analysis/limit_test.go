package analysis

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

// A value that is written as a percentage is that number, and not the one beside it.
func TestPercentIsExact(t *testing.T) {
	for i := range 1000 {
		limit, err := ParseLimit(fmt.Sprintf("%d.%d%%", i/10, i%10))
		if err != nil || limit.Value != float64(i)/1000 {
			t.Errorf("%d.%d%%: %v, %v", i/10, i%10, limit.Value, err)
		}
	}
}

// What is printed of a limit can be read again, as the same number.
func TestUnitRoundTrip(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	for range 5000 {
		unit := []Unit{None, Percent, Seconds, Bytes}[random.IntN(4)]
		value := math.Round(random.Float64()*1e4) / math.Pow(10, float64(random.IntN(5)))
		if unit == Bytes {
			value = float64(random.IntN(1 << 30))
		}
		text := unit.Exact(value)
		back, err := ParseLimit(strings.TrimSuffix(text, "B"))
		if err != nil || math.Abs(back.Value-value) > 1e-8 && math.Abs(back.Value-value) > 1e-9*math.Abs(value) || back.Unit != unit && !strings.HasSuffix(text, "B") {
			t.Fatalf("%v %s is printed as %s and read as %+v, %v", value, unit, text, back, err)
		}
	}
}
