package main

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/rolloutgate/rolloutgate/internal/promtest"
)

// board is that part of a dashboard of Grafana which a picture of it needs.
type board struct {
	Title  string
	Panels []boardPanel
}

type boardPanel struct {
	Type, Title, Interval string
	GridPos               struct{ X, Y, W, H float64 }
	Targets               []struct {
		Expr, LegendFormat, RefID string
		Instant                   bool
	}
	Transformations []struct {
		ID      string
		Options struct {
			ExcludeByName map[string]bool
			RenameByName  map[string]string
		}
	}
	Options struct {
		ColorMode string
		Legend    struct{ ShowLegend bool }
	}
	FieldConfig struct {
		Defaults  boardField
		Overrides []struct {
			Matcher    struct{ ID, Options string }
			Properties []struct {
				ID    string
				Value json.RawMessage
			}
		}
	}
}

// boardField says how values of a panel, or of a column, are shown.
type boardField struct {
	Unit, NoValue string
	Decimals      *int
	Min, Max      *float64
	Mappings      []struct {
		Options map[string]struct{ Text, Color string }
	}
	Thresholds struct {
		Steps []struct {
			Color string
			Value *float64 // the first has none
		}
	}
	Custom struct {
		DrawStyle, LineInterpolation string
		FillOpacity                  float64
	}
}

// boardAnswers are what a server said to the queries of a board.
type boardAnswers struct {
	from, to time.Time
	step     time.Duration
	chosen   string // what the variables of the board were
	series   map[string][]promtest.Series
}

// answerTo names a query of a panel among the answers.
func answerTo(panel, refID string) string { return panel + " " + refID }

// boardPalette has the colours of series in their order, boardColors those that a board calls by name.
var (
	boardPalette = []string{"#6fc07a", "#e8c14a", "#6aa2f0", "#ef9a4c", "#ec6a74", "#b48be0", "#5fc4c4", "#c9ccd6"}
	boardColors  = map[string]string{
		"green": "#6fc07a", "yellow": "#e8c14a", "blue": "#6aa2f0", "orange": "#ef9a4c", "red": "#ec6a74", "purple": "#b48be0",
		"dark-red": "#d8414d", "dark-green": "#3f9149", "text": "#e4e6ee",
	}
)

// column is how the values of a column are shown.
func (panel boardPanel) column(name string) (boardField, error) {
	field := panel.FieldConfig.Defaults
	for _, o := range panel.FieldConfig.Overrides {
		if o.Matcher.ID != "byName" || o.Matcher.Options != name {
			continue
		}
		for _, property := range o.Properties {
			var err error
			switch property.ID {
			case "unit":
				err = json.Unmarshal(property.Value, &field.Unit)
			case "mappings":
				err = json.Unmarshal(property.Value, &field.Mappings)
			}
			if err != nil {
				return field, fmt.Errorf("column %s: %s: %w", name, property.ID, err)
			}
		}
	}
	return field, nil
}

// text is a value as people read it.
func (f boardField) text(v float64, now time.Time) string {
	for _, m := range f.Mappings {
		if to, ok := m.Options[strconv.FormatFloat(v, 'f', -1, 64)]; ok {
			return to.Text
		}
	}
	scaled := func(unit string, by float64) string { return f.digits(v*by) + unit }
	switch size := math.Abs(v); {
	case f.Unit == "percentunit":
		return scaled("%", 100)
	case f.Unit == "s" && size == 0:
		return scaled(" s", 1)
	case f.Unit == "s" && size < 1:
		return scaled(" ms", 1000)
	case f.Unit == "s" && size < 60:
		return scaled(" s", 1)
	case f.Unit == "s" && size < 3600:
		return scaled(" min", 1.0/60)
	case f.Unit == "s":
		return scaled(" h", 1.0/3600)
	case f.Unit == "dateTimeAsIso":
		return time.UnixMilli(int64(v)).UTC().Format("2006-01-02 15:04:05")
	case f.Unit == "dateTimeFromNow":
		return ago(now.Sub(time.UnixMilli(int64(v))))
	case size >= 1e9:
		return scaled(" Bil", 1e-9)
	case size >= 1e6:
		return scaled(" Mil", 1e-6)
	case size >= 1e3:
		return scaled(" K", 1e-3)
	}
	return scaled("", 1)
}

// digits writes a number with the decimals that the panel wants, or with three digits that say something.
func (f boardField) digits(v float64) string {
	if f.Decimals != nil {
		return strconv.FormatFloat(v, 'f', *f.Decimals, 64)
	}
	rounded, _ := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 3, 64), 64)
	return strconv.FormatFloat(rounded, 'f', -1, 64)
}

// ago is how long ago something was, by the largest unit.
func ago(d time.Duration) string {
	for _, unit := range []struct {
		name string
		size time.Duration
	}{{"day", 24 * time.Hour}, {"hour", time.Hour}, {"minute", time.Minute}} {
		switch n := int(d.Round(unit.size) / unit.size); {
		case n > 1:
			return fmt.Sprintf("%d %ss ago", n, unit.name)
		case n == 1:
			return "1 " + unit.name + " ago"
		}
	}
	return "a few seconds ago"
}

// color is that of the mapping of a value, or else of its threshold, or else that of text.
func (f boardField) color(v float64) string {
	color := "text"
	for _, step := range f.Thresholds.Steps {
		if step.Value == nil || v >= *step.Value {
			color = step.Color
		}
	}
	for _, m := range f.Mappings {
		if to, ok := m.Options[strconv.FormatFloat(v, 'f', -1, 64)]; ok {
			color = to.Color
		}
	}
	if known, ok := boardColors[color]; ok {
		return known
	}
	return boardColors["text"]
}

func lastValue(s promtest.Series) float64 { return s.Points[len(s.Points)-1].Value }

// days is the duration of an interval such as 1d.
func days(interval string) (time.Duration, bool) {
	n, err := strconv.Atoi(strings.TrimSuffix(interval, "d"))
	return time.Duration(n) * 24 * time.Hour, err == nil && strings.HasSuffix(interval, "d")
}
