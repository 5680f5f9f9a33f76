package stats

import (
	"math"
	"math/rand/v2"
	"testing"
)

// within fails the test unless low <= got <= high.
func within(t *testing.T, what string, got, low, high float64) {
	t.Helper()
	if !(got >= low && got <= high) {
		t.Errorf("%s = %.6g, want %.6g to %.6g", what, got, low, high)
	}
}

func TestEvidenceByHand(t *testing.T) {
	// The definition, without logarithms.
	for _, tt := range []struct{ bad, total, limit float64 }{
		{0, 100, 0.01}, {1, 1, 0.01}, {3, 20, 0.05}, {7, 9, 0.5}, {2.5, 40.5, 0.02}, {5, 5, 0.85},
	} {
		highest := 0.9
		if tt.limit > 0.8 {
			highest = (1 + tt.limit) / 2
		}
		sum := 0.0
		for i := 1; i <= 14; i++ {
			p1 := tt.limit * math.Pow(highest/tt.limit, float64(i)/14)
			sum += math.Pow(p1/tt.limit, tt.bad) * math.Pow((1-p1)/(1-tt.limit), tt.total-tt.bad)
		}
		want := math.Log(sum / 14)
		if got := Evidence(tt.bad, tt.total, tt.limit); math.Abs(got-want) > 1e-9 {
			t.Errorf("Evidence(%v, %v, %v) = %v, want %v", tt.bad, tt.total, tt.limit, got, want)
		}
	}
}

func TestEvidenceAtTheEdges(t *testing.T) {
	inf, nan := math.Inf(1), math.NaN()
	for _, tt := range []struct {
		name                      string
		bad, total, limit, expect float64
	}{
		{"nothing seen", 0, 0, 0.01, 0},
		{"NaN count", nan, 10, 0.01, 0},
		{"NaN total", 1, nan, 0.01, 0},
		{"NaN limit", 1, 10, nan, 0},
		{"negative count", -1, 10, 0.01, 0},
		{"infinite count", inf, inf, 0.01, 0},
		{"beyond whole floats", 1e17, 1e18, 0.01, 0},
		{"negative limit", 1, 10, -0.01, 0},
		{"limit 1", 10, 10, 1, 0},
		{"limit 0, none bad", 0, 10, 0, 0},
		{"limit 0, one bad", 1, 10, 0, inf},
		{"more bad than all", 9, 5, 0.01, Evidence(5, 5, 0.01)},
	} {
		if got := Evidence(tt.bad, tt.total, tt.limit); got != tt.expect {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.expect)
		}
	}
	within(t, "limit 0.9 broken all the time", Evidence(1000, 1000, 0.9), Threshold(0.01), 1000)
	within(t, "limit 0.9 kept", Evidence(850, 1000, 0.9), -1000, 0)
	within(t, "10% of 1e12", Evidence(1e11, 1e12, 0.01), 1e9, 1e13)
	within(t, "0.1% of 1e12", Evidence(1e9, 1e12, 0.01), -1e13, -1e6)
	within(t, "smallest limit", Evidence(1, 10, math.SmallestNonzeroFloat64), 1, 1000)
	within(t, "largest limit", Evidence(10, 10, math.Nextafter(1, 0)), 0, 1e-12)
}

func TestEvidenceIsMonotone(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 0))
	for range 20000 {
		limit := math.Pow(10, -4*r.Float64())
		total := math.Floor(math.Pow(10, 12*r.Float64()))
		bad := math.Floor(total * math.Pow(r.Float64(), 3))
		here := Evidence(bad, total, limit)
		slack := 1e-12 * (math.Abs(here) + total)
		if bad <= limit*total && here > slack {
			t.Fatalf("%v of %v is within %v, and speaks against it with %v", bad, total, limit, here)
		}
		if more := Evidence(bad+1, total+1, limit); more < here-slack {
			t.Fatalf("a bad event after %v of %v at %v: %v to %v", bad, total, limit, here, more)
		}
		if worse := Evidence(min(bad+1, total), total, limit); worse < here-slack {
			t.Fatalf("one more of %v of %v bad at %v: %v to %v", bad, total, limit, here, worse)
		}
		if better := Evidence(bad, total+1, limit); better > here+slack {
			t.Fatalf("a good event after %v of %v at %v: %v to %v", bad, total, limit, here, better)
		}
	}
}

func TestLevels(t *testing.T) {
	if got := Threshold(0.01); math.Abs(got-math.Log(100)) > 1e-12 {
		t.Errorf("Threshold(0.01) = %v", got)
	}
	for _, alpha := range []float64{0, 1, -1, 2, math.NaN(), math.Inf(1)} {
		if !math.IsInf(Threshold(alpha), 1) || Split(alpha, 2) != 0 || SplitSeries(alpha, 2) != 0 {
			t.Errorf("alpha %v is taken for a level", alpha)
		}
	}
	if Split(0.01, 5) != 0.002 || Split(0.01, 0) != 0.01 || Split(0.01, -3) != 0.01 {
		t.Error("Split")
	}
	if SplitSeries(0.01, 1) != 0.005 || SplitSeries(0.01, -5) != 0.005 {
		t.Error("SplitSeries")
	}
	sum := 0.0
	for k := 1; k <= 100000; k++ {
		sum += SplitSeries(0.01, k)
	}
	within(t, "all shares", sum, 0.00999, 0.01)
	if SplitSeries(0.01, math.MaxInt) < 0 {
		t.Error("SplitSeries overflows")
	}
}

// TestDelay: a limit of 1 %, a level of 0.01, looked at after each of 3000
// requests.
func TestDelay(t *testing.T) {
	t.Parallel()
	for i, tt := range []struct {
		rate, least, most float64 // of the runs stopped
		early, late       float64 // mean requests
	}{
		{0.002, 0, 0.001, 0, 3000},
		{0.01, 0.0005, 0.01, 0, 3000},
		{0.02, 0.86, 0.94, 1300, 1450},
		{0.03, 1, 1, 440, 490},
		{0.05, 1, 1, 138, 154},
		{0.10, 1, 1, 41, 47},
		{0.30, 1, 1, 7, 9},
		{0.50, 1, 1, 3.5, 4.5},
	} {
		got := simulate(2000, uint64(10+i), every(100, 30), independent(tt.rate), everyRequest(0.01, 0.01))[0]
		t.Logf("%.3f: %.4f stopped, mean %.1f", tt.rate, got.failed, got.mean)
		within(t, "stopped", got.failed, tt.least, tt.most)
		within(t, "mean delay", got.mean, tt.early, tt.late)
	}
}

// TestFalseAlarms: exactly at the limit, the worst rate that is allowed.
func TestFalseAlarms(t *testing.T) {
	t.Parallel()
	for i, tt := range []struct {
		limit    float64
		requests int
	}{{0.001, 30000}, {0.01, 3000}, {0.05, 2000}, {0.2, 500}, {0.85, 100}} {
		for _, alpha := range []float64{0.01, 0.1} {
			got := simulate(1000, uint64(20+i), every(tt.requests/25, 25), independent(tt.limit),
				everyRequest(tt.limit, alpha), evidenceAtLooks(tt.limit, alpha, false), evidenceAtLooks(tt.limit, alpha, true))
			t.Logf("%v at %v: %.4f after each, %.4f at looks, %.4f guarded", tt.limit, alpha, got[0].failed, got[1].failed, got[2].failed)
			within(t, "after each event", got[0].failed, 0, alpha)
			within(t, "at looks", got[1].failed, 0, got[0].failed)
			within(t, "guarded", got[2].failed, 0, got[1].failed)
		}
	}
}

func TestEarlyPass(t *testing.T) {
	t.Parallel()
	for i, tt := range []struct {
		rate, limit, factor float64
		want                Decision
		share               float64
		early, late         float64
	}{
		{0.002, 0.01, 3, Good, 0.999, 155, 175},
		{0.10, 0.01, 3, Bad, 0.999, 49, 57},
		{0.01, 0.01, 3, Good, 0.985, 0, 3000}, // alpha: at most 1 % are called bad
		{0.03, 0.01, 3, Bad, 0.945, 0, 3000},  // beta: at most 5 % are called good
		{0.0002, 0.001, 5, Good, 0.999, 770, 870},
	} {
		got := simulate(1000, uint64(40+i), every(100, 50), independent(tt.rate), earlyPass(tt.limit, tt.factor, 0.01, 0.05, tt.want))[0]
		t.Logf("%v of %v: %.4f %v, mean %.1f", tt.rate, tt.limit, got.failed, tt.want, got.mean)
		within(t, "share", got.failed, tt.share, 1)
		within(t, "mean", got.mean, tt.early, tt.late)
	}
	nan := math.NaN()
	for _, d := range []Decision{
		EarlyPass(0, 0, 0.01, 3, 0.01, 0.05), EarlyPass(nan, 9, 0.01, 3, 0.01, 0.05), EarlyPass(0, 1e6, 0, 3, 0.01, 0.05),
		EarlyPass(0, 1e6, 0.5, 2, 0.01, 0.05), EarlyPass(0, 1e6, 0.01, 1, 0.01, 0.05), EarlyPass(0, 1e6, 0.01, nan, 0.01, 0.05),
		EarlyPass(0, 1e6, 0.01, 3, 0, 0.05), EarlyPass(0, 1e6, 0.01, 3, 0.5, 0.5), EarlyPass(9, 9, -1, 3, 0.01, 0.05),
	} {
		if d != Undecided {
			t.Errorf("%v where nothing can be decided", d)
		}
	}
	if EarlyPass(1, 1e6, 0, 3, 0.01, 0.05) != Bad {
		t.Error("a limit of 0 allows a bad event")
	}
	if Good.String() != "good" || Bad.String() != "bad" || Undecided.String() != "undecided" || Decision(9).String() != "undecided" {
		t.Error("the names of the decisions")
	}
}

func TestSpread(t *testing.T) {
	nan := math.NaN()
	for _, tt := range []struct {
		bad  []float64
		pods int
		want bool
	}{
		{nil, 0, false}, {[]float64{50}, 0, false}, {[]float64{50, 0, 0}, 1, false}, {[]float64{50, nan, -3}, 0, false},
		{[]float64{0, 1, 0, 0.5}, 0, true}, {[]float64{50}, 2, true}, {nil, -1, false},
	} {
		if got := Spread(tt.bad, tt.pods); got != tt.want {
			t.Errorf("Spread(%v, %d) = %v", tt.bad, tt.pods, got)
		}
	}
}
