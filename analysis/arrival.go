package analysis

import "time"

// arrivals knows when each process of the pods was scraped last, and from that when there will be something new
// to look at: looking more often than samples come shows nothing, and looking less often waits for nothing.
//
// Looks that follow the data keep the error level of an evidence: when samples come does not depend on what is in them.
type arrivals struct {
	scrape time.Duration        // the time between two scrapes, the shortest that was seen; zero: not known
	newest map[string]time.Time // by process: when its newest sample was taken, by our clock
	of     map[string]string    // by process: its pod
	asked  time.Time            // when the counters were read last
	took   time.Duration        // and how long the answer took
	empty  int                  // how many times in a row there was nothing new
}

const (
	// leastSpacing is the least time between two looks at the same counters.
	leastSpacing = time.Second
	// visible is how long after its time a sample can be asked for: the scrape has to end first.
	visible = 300 * time.Millisecond
	// discovery is how long a server may need to find a new pod, besides the scrapes.
	discovery = 10 * time.Second
	// patientFor is for how many scrapes a sample that does not come is waited for.
	patientFor = 3
)

func newArrivals(scrape time.Duration) *arrivals {
	return &arrivals{scrape: scrape, newest: map[string]time.Time{}, of: map[string]string{}}
}

// saw takes the answer to a question that was sent at one time and answered at another. It says whether it had samples
// that were not seen before.
func (a *arrivals) saw(sent, at time.Time, tallies []tally) (news bool) {
	a.asked, a.took = sent, at.Sub(sent)
	for _, t := range tallies {
		taken := at.Add(-time.Duration(t.age * float64(time.Second)))
		last, known := a.newest[t.process]
		step := taken.Sub(last)
		if known && step < leastSpacing/2 { // the same sample, by clocks that wobble
			continue
		}
		if known && (a.scrape == 0 || step < a.scrape) {
			a.scrape = max(step, leastSpacing)
		}
		a.newest[t.process], a.of[t.process] = taken, t.pod
		news = true
	}
	if a.empty++; news {
		a.empty = 0
	}
	return news
}

// due is when the next sample of one of the pods can be expected to be there; zero when none is expected. It is never
// sooner after the last question than the server can answer at leisure.
func (a *arrivals) due(now time.Time, pods []Pod) time.Time {
	var first time.Time
	expect := func(at time.Time) {
		if first.IsZero() || at.Before(first) {
			first = at
		}
	}
	found := map[string]bool{}
	for process, taken := range a.newest {
		found[a.of[process]] = true
		switch next := taken.Add(a.scrape + visible); {
		case a.scrape == 0 || next.Before(a.asked): // not known, or late
			if now.Sub(taken) < max(patientFor*a.scrape, leastInterval+discovery) {
				expect(a.asked.Add(a.backoff()))
			}
		default:
			expect(next)
		}
	}
	usual := a.scrape
	if usual == 0 {
		usual = leastInterval
	}
	for _, p := range pods {
		if !p.Ready.IsZero() && !found[p.Name] && now.Sub(p.Ready) < 2*usual+discovery {
			expect(a.asked.Add(usual / 15)) // its first scrape may come at any time
		}
	}
	if soonest := a.asked.Add(max(leastSpacing, 5*a.took)); !first.IsZero() && first.Before(soonest) {
		return soonest
	}
	return first
}

// backoff doubles from question to question that had no news.
func (a *arrivals) backoff() time.Duration { return leastSpacing << min(a.empty, 4) }
