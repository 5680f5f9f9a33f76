package analysis

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
)

type matcher = labels.Matcher

const maxFloat = math.MaxFloat64

// whyEmpty explains why a query has no answer, the way a person would look: does the metric exist at all, does the
// label, does its value? The first selector without series is to blame.
func (p inspector) whyEmpty(ctx context.Context, selectors []string, note string) string {
	for _, text := range selectors {
		if p.number(ctx, "count("+text+")") > 0 {
			continue
		}
		if reason := p.whyNoSeries(ctx, text); reason != "" {
			return reason
		}
	}
	return note
}

// hasNoLabel is the one reason that time does not mend.
const hasNoLabel = "has no label"

func (p inspector) whyNoSeries(ctx context.Context, text string) string {
	s, err := selector(text)
	if err != nil || s.Name == "" {
		return "no series matches " + text
	}
	if p.number(ctx, "count("+s.Name+")") == 0 {
		if p.number(ctx, fmt.Sprintf("count(count_over_time(%s[1d]))", s.Name)) > 0 {
			return fmt.Sprintf("the metric %s was there during the last day and is gone", s.Name)
		}
		return fmt.Sprintf("the metric %s was not there during the last day", s.Name)
	}
	for _, m := range s.LabelMatchers {
		if m.Name == model.MetricNameLabel || p.number(ctx, fmt.Sprintf("count(%s{%s})", s.Name, m)) > 0 {
			continue
		}
		a, err := p.ask(ctx, fmt.Sprintf("count by (%s) (%s)", joined([]string{m.Name}), s.Name))
		if err != nil {
			return "no series matches " + text
		}
		var seen []string
		for _, sample := range a.Samples {
			if v := sample.Labels[m.Name]; v != "" {
				seen = append(seen, strconv.Quote(v))
			}
		}
		if len(seen) == 0 {
			return fmt.Sprintf("the metric %s %s %s", s.Name, hasNoLabel, m.Name)
		}
		slices.Sort(seen)
		return fmt.Sprintf("the label %s of %s never matches %s; it has the values %s", m.Name, s.Name, m, joinedShort(seen, 5))
	}
	return fmt.Sprintf("no series of %s has all the labels at once: %s", s.Name, text)
}

// joinedShort lists some and counts the rest.
func joinedShort(list []string, most int) string {
	if len(list) > most {
		return strings.Join(list[:most], ", ") + fmt.Sprintf(" and %d more", len(list)-most)
	}
	return strings.Join(list, ", ")
}

// byNumber orders bucket bounds.
func byNumber(a, b string) int {
	x, _ := strconv.ParseFloat(a, 64)
	y, _ := strconv.ParseFloat(b, 64)
	return cmp.Compare(x, y)
}
