package analysis

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// series makes points from letters: o ok, B breach, n no data, e error.
func series(letters string) []Point {
	var points []Point
	for i, letter := range letters {
		p := Point{Time: time.Unix(int64(i), 0).UTC()}
		value := Number(0.005)
		switch letter {
		case 'o':
			p.State, p.Value = OK, &value
		case 'B':
			value = 0.05 + Number(i)/1000
			p.State, p.Value = Breach, &value
		case 'n':
			p.State, p.Note = NoData, "no series matched"
		case 'e':
			p.State, p.Note = Failed, "unreachable: refused"
		}
		points = append(points, p)
	}
	return points
}

func errorRate() Criterion {
	return Criterion{Name: "errors", Query: "q", Op: LessEqual, Limit: Limit{0.01, Percent}}
}

func TestJudge(t *testing.T) {
	for _, tt := range []struct {
		letters   string
		scheduled int // 0: as many as there are letters
		breaches  int // Criterion.For
		want      Verdict
		reason    string
	}{
		{"", 5, 0, Inconclusive, "0 of 5 samples measured"},
		{"", 0, 0, Inconclusive, "0 of 0"},
		{"ooooo", 0, 0, Pass, "0.5% (limit <= 1%)"},
		{"oooo", 5, 0, Inconclusive, "4 of 5"},
		{"oBoBo", 0, 0, Pass, ""},
		{"oBB", 21, 0, Fail, "5.2% (limit <= 1%) for 2 samples in a row"},
		{"oBBoo", 0, 0, Fail, "5.2%"},
		{"oBnB", 21, 0, Fail, ""}, // silence does not end a row of breaches
		{"oBeeeB", 21, 0, Fail, ""},
		{"oBnno", 21, 0, Inconclusive, ""},
		{"oBBoB", 5, 3, Inconclusive, "ends with 5.4% (limit <= 1%), but not for 3"},
		{"BBB", 21, 3, Fail, ""},
		{"B", 21, 1, Fail, "5% (limit <= 1%)"},
		{"B", 1, 0, Fail, "5% (limit <= 1%)"}, // one look can fail
		{"o", 1, 0, Pass, ""},
		{"n", 1, 0, Inconclusive, "no series matched"},
		{"e", 1, 0, Error, "refused"},
		{"nnnnn", 0, 0, Inconclusive, "0 of 5 samples judged, 3 needed; no series matched"},
		{"eeeee", 0, 0, Error, "5 of 5 queries failed, the last one: unreachable: refused"},
		{"ononono", 0, 0, Pass, ""},
		{"nonono", 0, 0, Pass, ""},
		{"nnonno", 0, 0, Inconclusive, "2 of 6 samples judged, 3 needed"},
		{"eeoeeo", 0, 0, Error, ""},
		{"enonno", 0, 0, Inconclusive, ""},
		{"ooooB", 0, 0, Inconclusive, "window ends with 5.4%"},
		{"oooon", 0, 0, Inconclusive, "ends without data: no series matched"},
		{"ooooe", 0, 0, Error, "ends with a failed query: unreachable"},
		{"ooBne", 0, 0, Error, ""},
	} {
		c := errorRate()
		c.For = tt.breaches
		if tt.scheduled == 0 {
			tt.scheduled = len(tt.letters)
		}
		r := Judge(c, series(tt.letters), tt.scheduled)
		if r.Verdict != tt.want || !strings.Contains(r.Reason, tt.reason) || r.Reason == "" {
			t.Errorf("%q of %d, for %d: got %s (%s), want %s (%s)", tt.letters, tt.scheduled, tt.breaches, r.Verdict, r.Reason, tt.want, tt.reason)
		}
	}
}

// A value that rounds to the limit that it breaks is printed in full.
func TestJudgePrintsCloseValues(t *testing.T) {
	p := series("B")
	*p[0].Value = 0.0100000001
	if r := Judge(errorRate(), p, 1); !strings.HasPrefix(r.Reason, "1.00000001") {
		t.Errorf("reason %q hides the difference", r.Reason)
	}
}

func TestJudgeProperties(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 20000 {
		letters := make([]byte, 1+random.IntN(12))
		for i := range letters {
			letters[i] = "oooBBne"[random.IntN(7)]
		}
		c := errorRate()
		c.For = random.IntN(4)
		scheduled := len(letters)
		before := Judge(c, series(string(letters)), scheduled)
		if before.Samples.made() != len(letters) {
			t.Fatalf("%s: samples %+v do not add up", letters, before.Samples)
		}

		less := slices.Clone(letters)
		end := random.IntN(len(less) + 1)
		for i := range less {
			if i >= end || less[i] == 'o' && random.IntN(3) == 0 {
				less[i] = "ne"[random.IntN(2)]
			}
		}
		if after := Judge(c, series(string(less)), scheduled); before.Verdict != Pass && after.Verdict == Pass {
			t.Fatalf("%s was %s, and with less data, %s, it passes", letters, before.Verdict, less)
		}
		if cut := Judge(c, series(string(letters[:end])), scheduled); end < scheduled && cut.Verdict == Pass {
			t.Fatalf("%s passes when cut to %d", letters, end)
		}

		more := slices.Clone(letters)
		for i := range more {
			if (more[i] == 'n' || more[i] == 'e') && random.IntN(2) == 0 {
				more[i] = 'o'
			}
		}
		if after := Judge(c, series(string(more)), scheduled); before.Verdict == Pass && after.Verdict != Pass {
			t.Fatalf("%s passed, and with more good data, %s, it is %s", letters, more, after.Verdict)
		}
	}
}

func TestOverall(t *testing.T) {
	all := []Verdict{Pass, Inconclusive, Error, Fail} // from good to bad
	for i, a := range all {
		for j, b := range all {
			if got, want := Overall([]Result{{Verdict: a}, {Verdict: b}}), all[max(i, j)]; got != want {
				t.Errorf("%s and %s: got %s, want %s", a, b, got, want)
			}
		}
	}
	if got := Overall(nil); got != Pass {
		t.Errorf("nothing: got %s", got)
	}
	if got := Overall([]Result{{}}); got == Pass {
		t.Error("a result without a verdict passes")
	}
}

func TestResultJSON(t *testing.T) {
	points := series("onB")
	infinite := Number(math.Inf(1))
	points[2].Value = &infinite
	got, err := json.Marshal(Judge(errorRate(), points, 3))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"name":"errors","verdict":"inconclusive","value":"+Inf","op":"\u003c=","limit":0.01,"unit":"percent","scope":"all","text":"errors: q \u003c= 1%","query":"q",` +
		`"samples":{"judged":2,"scheduled":3,"noData":1,"errors":0},"firstBreach":"1970-01-01T00:00:02Z","series":[` +
		`{"time":"1970-01-01T00:00:00Z","value":0.005,"state":"ok"},` +
		`{"time":"1970-01-01T00:00:01Z","state":"noData","note":"no series matched"},` +
		`{"time":"1970-01-01T00:00:02Z","value":"+Inf","state":"breach"}],` +
		`"reason":"too little data: 2 of 3 samples judged, 3 needed; no series matched"}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
