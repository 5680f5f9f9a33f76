// Command dashboards writes examples/dashboards/rolloutgate.json, the dashboard of what rolloutgate pushes:
//
//	cd sandbox/dashboards && go run . >../../examples/dashboards/rolloutgate.json
//
// It takes nothing and asks no server. A test holds the file to what it writes.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
)

func main() {
	if err := write(os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "dashboards:", err)
		os.Exit(1)
	}
}

func write(w io.Writer) error {
	board, err := releases().Build()
	if err != nil {
		return fmt.Errorf("building the dashboard: %w", err)
	}
	for i, p := range board.Panels {
		id := uint32(i + 1)
		if p.RowPanel != nil {
			p.RowPanel.Id = id
		} else {
			p.Panel.Id = &id
		}
	}
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(board)
}
