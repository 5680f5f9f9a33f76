package analysis

import (
	"fmt"
	"strconv"
)

// BaselineKind says what a value is compared with.
type BaselineKind string

// The baselines.
const (
	// BaselineBefore is the running version in the window before the rollout began.
	BaselineBefore BaselineKind = "before"
	// BaselineConcurrent are the old pods, for as long as they live beside the new ones.
	BaselineConcurrent BaselineKind = "concurrent"
	// BaselineHistory are earlier windows of the same length, in which nothing was rolled out as far as is known.
	BaselineHistory BaselineKind = "history"
)

// Baseline makes a criterion relative. It fails only when the difference is both significant and large enough to
// matter (the effect gate): a big service shows the smallest difference beyond doubt.
type Baseline struct {
	Kind BaselineKind
	// MaxRatio is how many times the baseline's value is too much; 0 when lower is worse.
	MaxRatio float64
	// MinRatio is below which share of the baseline's value is too little; 0 when higher is worse.
	MinRatio float64
	// MinIncrease is the least difference that matters, in the unit of the value.
	MinIncrease Limit
	// Windows is how many earlier windows BaselineHistory looks at.
	Windows int
}

const (
	defaultMaxRatio    = 1.25
	defaultIncrease    = 0.001 // of shares of events: one in a thousand
	defaultWindows     = 40
	leastWindows       = 19   // with fewer, no rank can be significant at 5 %
	significanceByRank = 0.05 // of the placebo windows
)

// text is the comparison for a person.
func (b *Baseline) text() string {
	if b.MinRatio > 0 {
		return fmt.Sprintf(">= %s x %s", plain(b.MinRatio), b.words())
	}
	return fmt.Sprintf("<= %s x %s", plain(b.MaxRatio), b.words())
}

func (b *Baseline) words() string {
	switch b.Kind {
	case BaselineConcurrent:
		return "the old pods"
	case BaselineHistory:
		return "earlier windows"
	}
	return "before"
}

// worse says whether a value differs from the baseline in the bad direction by as much as matters.
func (b *Baseline) worse(value, before float64) bool {
	if b.MinRatio > 0 {
		return value < before && value < before*b.MinRatio && before-value >= b.MinIncrease.Value
	}
	return value > before && value > before*b.MaxRatio && value-before >= b.MinIncrease.Value
}

// limit is the value that the baseline puts the limit at.
func (b *Baseline) limit(before float64) float64 {
	if b.MinRatio > 0 {
		return min(before*b.MinRatio, before-b.MinIncrease.Value)
	}
	return max(before*b.MaxRatio, before+b.MinIncrease.Value)
}

func plain(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }
