package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
)

// reference is what 'rolloutgate reference' prints.
type reference struct {
	Version, Short, Long string
	Commands             []struct {
		Name, Use, Short, Long, Example string
		Flags                           []flagOf
	}
	Exits []struct {
		Code          int
		Name, Meaning string
	}
}

type flagOf struct {
	Name, Shorthand, Type, Default, Usage string
}

func readReference(ctx context.Context, binary string) (reference, error) {
	var r reference
	out, err := exec.CommandContext(ctx, binary, "reference").Output()
	if err == nil {
		err = json.Unmarshal(out, &r)
	}
	if err != nil {
		return r, fmt.Errorf("asking %s for its reference: %w", binary, err)
	}
	return r, nil
}

// completions are the scripts of four shells, by the names under which the shells look for them.
func completions(ctx context.Context, binary string) ([]file, error) {
	var files []file
	for _, script := range []struct{ shell, name string }{
		{"bash", "rolloutgate.bash"}, {"zsh", "_rolloutgate"}, {"fish", "rolloutgate.fish"}, {"powershell", "rolloutgate.ps1"},
	} {
		out, err := exec.CommandContext(ctx, binary, "completion", script.shell).Output()
		if err != nil {
			return nil, fmt.Errorf("asking %s for the completion of %s: %w", binary, script.shell, err)
		}
		files = append(files, file{name: "completions/" + script.name, mode: 0o644, data: out})
	}
	return files, nil
}
