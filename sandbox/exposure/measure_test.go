package main

import (
	"testing"
	"time"

	"github.com/rolloutgate/rolloutgate/sandbox/harness/requests"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

func second(n float64) time.Time { return noon.Add(time.Duration(n * float64(time.Second))) }

func at(seconds float64, version string, failure requests.Failure) requests.Answer {
	return requests.Answer{At: second(seconds), Version: version, Failure: failure}
}

func TestMeasure(t *testing.T) {
	log := requests.Log{
		at(1, "v1", ""), at(2, "v2", ""), at(3, "v1", ""), at(4, "v2", requests.Status), at(5, "v1", ""), at(6, "", requests.Refused),
		at(7, "v2", ""), at(8, "v1", ""), at(9, "v1", ""),
	}
	f, err := measure(log, second(6.5), second(3.5), fault{}.bad)
	if err != nil {
		t.Fatal(err)
	}
	if *f.Undo != 2.5 || *f.Scraped != -0.5 || f.Gone != 3 || f.Failed != 2 || f.Requests != 6 {
		t.Errorf("taken back after %g, scraped after %g, %+v", *f.Undo, *f.Scraped, f)
	}
	if got := f.decided(); *got != 2.5 { // the scrape was before the fault
		t.Errorf("decided in %g s", *got)
	}
	if got := (figures{Undo: some(6), Scraped: some(4)}).decided(); *got != 2 {
		t.Errorf("decided in %g s", *got)
	}
	if (figures{Scraped: some(4)}).decided() != nil || (figures{Undo: some(4)}).decided() != nil {
		t.Error("what never was took some time")
	}
	if got := f.share(); got != 2.0/6 {
		t.Errorf("the share is %g", got)
	}
}

// A release that crashes may be met only by those whom nobody answers.
func TestMeasureWithoutAnAnswerOfTheNewVersion(t *testing.T) {
	f, err := measure(requests.Log{at(1, "v1", ""), at(2, "", requests.Reset), at(3, "v1", "")}, time.Time{}, time.Time{}, fault{}.bad)
	if err != nil || f.Undo != nil || f.Scraped != nil || f.Gone != 0 || f.Failed != 1 || f.Requests != 1 {
		t.Errorf("got %+v, %v", f, err)
	}
}

func TestMeasureOfAFaultThatDidNotHappen(t *testing.T) {
	if f, err := measure(requests.Log{at(1, "v1", ""), at(2, "v2", "")}, time.Time{}, time.Time{}, fault{}.bad); err == nil {
		t.Errorf("got %+v", f)
	}
	if got := (figures{}).share(); got != 0 {
		t.Errorf("the share of nothing is %g", got)
	}
}

func TestBad(t *testing.T) {
	slow := requests.Answer{Version: "v2", Took: slowAnswer + time.Millisecond}
	if (fault{}).bad(slow) || !(fault{slow: true}).bad(slow) || (fault{slow: true}).bad(requests.Answer{Took: slowAnswer}) {
		t.Error("an answer is bad when it is slow and slowness is the fault")
	}
}
