package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/rolloutgate/rolloutgate/internal/promtest"
)

// table draws a row for each set of labels that the queries have answered, and a column for each label and query.
func (p *boardPicture) table(in area, panel boardPanel) error {
	columns, rows, err := p.columns(panel)
	if err != nil {
		return err
	}
	const high = 30.0
	needed := 0.0
	for _, c := range columns {
		needed += c.width()
	}
	x := in.x
	for _, c := range columns {
		wide := c.width() + (in.w-needed)/float64(len(columns))
		if needed > in.w {
			wide = c.width() * in.w / needed
		}
		p.text(x+4, in.y+19, "c", fitted(c.name, wide-8, 12))
		for row := range rows {
			cell, ok := c.cells[row]
			if !ok || high*float64(row+2) > in.h {
				continue // in Grafana one would have to scroll
			}
			fmt.Fprintf(p, `<text x="%.1f" y="%.1f" style="fill:%s">%s</text>`+"\n", x+4, in.y+high*float64(row+1)+20, cell.color, escaped(fitted(cell.text, wide-8, 12)))
		}
		x += wide
	}
	for row := 1; row <= rows+1 && high*float64(row) <= in.h; row++ {
		fmt.Fprintf(p, `<path class="g" d="M%g %gh%g"/>`+"\n", in.x, in.y+high*float64(row), in.w)
	}
	return nil
}

// tableColumn has the cells of a column, by their rows.
type tableColumn struct {
	name  string
	cells map[int]tableCell
}

type tableCell struct{ text, color string }

func (c tableColumn) width() float64 {
	wide := textWidth(c.name, 12)
	for _, cell := range c.cells {
		wide = max(wide, textWidth(cell.text, 12))
	}
	return wide + 10
}

// columns are those of a table, after the transformations of its panel.
func (p *boardPicture) columns(panel boardPanel) (columns []tableColumn, rows int, err error) {
	rename, exclude := map[string]string{}, map[string]bool{}
	for _, tr := range panel.Transformations {
		switch tr.ID {
		case "merge":
		case "organize":
			rename, exclude = tr.Options.RenameByName, tr.Options.ExcludeByName
		default:
			return nil, 0, fmt.Errorf("a transformation %q cannot be drawn", tr.ID)
		}
	}
	keys := map[string]promtest.Labels{}
	labels := map[string]bool{}
	for _, target := range panel.Targets {
		for _, s := range p.series[answerTo(panel.Title, target.RefID)] {
			keys[fmt.Sprint(s.Labels)] = s.Labels // fmt sorts maps
			for name := range s.Labels {
				labels[name] = !exclude[name]
			}
		}
	}
	order := slices.Sorted(maps.Keys(keys))
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		if !labels[name] {
			continue
		}
		c := tableColumn{cmp.Or(rename[name], name), map[int]tableCell{}}
		for row, key := range order {
			c.cells[row] = tableCell{keys[key][name], boardColors["text"]}
		}
		columns = append(columns, c)
	}
	for _, target := range panel.Targets {
		name := "Value #" + target.RefID
		c := tableColumn{cmp.Or(rename[name], name), map[int]tableCell{}}
		field, err := panel.column(c.name)
		if err != nil {
			return nil, 0, err
		}
		for _, s := range p.series[answerTo(panel.Title, target.RefID)] {
			v := lastValue(s)
			c.cells[slices.Index(order, fmt.Sprint(s.Labels))] = tableCell{field.text(v, p.to), field.color(v)}
		}
		columns = append(columns, c)
	}
	return columns, len(order), nil
}
