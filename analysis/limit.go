package analysis

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Unit says how the author of a limit thinks of its numbers. Values are kept
// in base units whatever the unit is: a share of 1 for percent, seconds,
// bytes. A unit only changes how values are printed.
type Unit string

// The units that [ParseLimit] recognizes, and none.
const (
	None    Unit = ""
	Percent Unit = "percent"
	Seconds Unit = "seconds"
	Bytes   Unit = "bytes"
)

// Limit is the number that values are compared with, in base units.
type Limit struct {
	Value float64
	Unit  Unit
}

// ParseLimit reads a limit: a plain number (1000, 0.01, 1e6), a percentage
// (1% is 0.01), a duration in the syntax of Go (500ms is 0.5, and 3m is three
// minutes), or bytes in powers of 1024 (64Mi is 67108864). Other suffixes of
// Kubernetes quantities are refused, because 3m would be 0.003 there.
func ParseLimit(text string) (Limit, error) {
	limit, err := parseLimit(text)
	if err != nil {
		err = fmt.Errorf("reading limit: %w", err)
	}
	return limit, err
}

func parseLimit(text string) (Limit, error) {
	text = strings.TrimSpace(text)
	if v, ok := finite(text); ok {
		return Limit{Value: v}, nil
	}
	if share, ok := strings.CutSuffix(text, "%"); ok {
		share = strings.TrimSpace(share)
		if v, ok := finite(share + "e-2"); ok { // 0.7 / 100 is less than 0.007
			return Limit{Value: v, Unit: Percent}, nil
		}
		if v, ok := finite(share); ok {
			return Limit{Value: v / 100, Unit: Percent}, nil
		}
	}
	for i, suffix := range byteSuffixes() {
		if count, ok := strings.CutSuffix(text, suffix); ok {
			if v, ok := finite(count); ok {
				return Limit{Value: math.Ldexp(v, 10*(i+1)), Unit: Bytes}, nil
			}
		}
	}
	if d, err := time.ParseDuration(text); err == nil {
		return Limit{Value: d.Seconds(), Unit: Seconds}, nil
	}
	return Limit{}, &hinted{
		text: strconv.Quote(text) + " is not a number with a known unit",
		hint: "write a number such as 0.01 or 1000, a percentage (1%), a duration (500ms) or bytes (64Mi)",
	}
}

// finite parses a decimal number. Infinity and NaN are not limits: nothing,
// or everything, would meet them. Hexadecimal floats are typing slips.
func finite(text string) (float64, bool) {
	v, err := strconv.ParseFloat(text, 64)
	ok := err == nil && !math.IsInf(v, 0) && !math.IsNaN(v) && !strings.ContainsAny(text, "xX_")
	return v, ok
}

// byteSuffixes lists the suffixes for powers of 1024, from the first power.
func byteSuffixes() []string { return []string{"Ki", "Mi", "Gi", "Ti"} }

// Format prints a value in base units the way a person would write it in
// this unit: 0.0312 as 3.12%, 0.5 as 500ms, 67108864 as 64Mi. It rounds to
// four digits; [Unit.Exact] does not.
func (u Unit) Format(v float64) string {
	return u.format(v, func(f float64) string {
		switch abs := math.Abs(f); {
		case abs >= 1000 && abs < 1e15:
			return strconv.FormatFloat(f, 'f', 0, 64)
		case abs < 1e-4:
			return strconv.FormatFloat(f, 'g', 4, 64)
		case abs >= 1e15:
			return strconv.FormatFloat(f, 'g', -1, 64)
		}
		rounded, _ := strconv.ParseFloat(strconv.FormatFloat(f, 'g', 4, 64), 64)
		return strconv.FormatFloat(rounded, 'f', -1, 64)
	})
}

// Exact prints a value like Format, with every digit that it has. It serves
// where rounding would make a value look equal to the limit that it breaks.
func (u Unit) Exact(v float64) string {
	return u.format(v, func(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) })
}

func (u Unit) format(v float64, number func(float64) string) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return strconv.FormatFloat(v, 'g', -1, 64)
	}
	abs := math.Abs(v)
	switch u {
	case Percent:
		return number(v*100) + "%"
	case Seconds:
		if abs != 0 && abs < 1 {
			return number(v*1000) + "ms"
		}
		return number(v) + "s"
	case Bytes:
		suffixes := byteSuffixes()
		for i := len(suffixes); i > 0; i-- {
			if abs >= math.Ldexp(1, 10*i) {
				return number(math.Ldexp(v, -10*i)) + suffixes[i-1]
			}
		}
		return number(v) + "B"
	}
	return number(v)
}
