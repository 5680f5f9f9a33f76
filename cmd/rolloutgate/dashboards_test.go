package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// The page that explains the dashboard has a table of its panels, with what they showed when thirty releases were made.
const (
	panelsPage    = "docs/dashboards.md"
	panelsPicture = "docs/pictures/dashboard.svg"
	panelsBegin   = "<!-- begin panels: written by make dashboards -->\n"
	panelsEnd     = "<!-- end panels -->"
	panelsHead    = "| panel | what it shows | what it showed |\n|---|---|---|\n"
)

// TestPanelsPage: the page has all panels, with their own words, and so has the picture.
func TestPanelsPage(t *testing.T) {
	var board struct {
		Panels []struct{ Type, Title, Description string }
	}
	if err := json.Unmarshal(readFile(t, "examples/dashboards/rolloutgate.json"), &board); err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(readFile(t, panelsPage)), panelsBegin)
	table, _, found := strings.Cut(rest, panelsEnd)
	if !found {
		t.Fatalf("%s has no markers", panelsPage)
	}
	picture := readFile(t, panelsPicture)
	checkPicture(t, picture)
	rows := 0
	for _, p := range board.Panels {
		if p.Type == "row" {
			continue
		}
		rows++
		if !strings.Contains(string(picture), ">"+escaped(p.Title)+"</text>") {
			t.Errorf("%s does not have the panel %q: 'make dashboards' draws it", panelsPicture, p.Title)
		}
		if !strings.Contains(table, fmt.Sprintf("| %s | %s | ", p.Title, p.Description)) {
			t.Errorf("%s does not have the panel %q as it is: 'make dashboards' writes it", panelsPage, p.Title)
		}
	}
	if got := strings.Count(table, "\n") - strings.Count(panelsHead, "\n"); got != rows {
		t.Errorf("%s has %d panels, the dashboard %d", panelsPage, got, rows)
	}
}
