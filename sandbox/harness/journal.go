package harness

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
)

// Journal keeps results in a file as they come, one JSON object a line, so that hours of playing can be interrupted and
// gone on with. Its first line says what was judged: results of another program do not mix with these.
type Journal[R any] struct {
	Past []R // what was in the file when it was opened
	file *os.File
}

// OpenJournal reads what was played before of the same program and with the same seed. Without a path nothing is kept.
func OpenJournal[R any](path, program string, seed uint64) (*Journal[R], error) {
	if path == "" {
		return &Journal[R]{}, nil
	}
	version, err := exec.Command(program, "version").Output()
	if err != nil {
		return nil, fmt.Errorf("asking %s for its version: %w", program, err)
	}
	head, err := json.Marshal(map[string]any{"version": strings.TrimSpace(string(version)), "seed": seed})
	if err != nil {
		return nil, err
	}
	j := &Journal[R]{}
	data, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for n, line := range bytes.Split(bytes.TrimSpace(data), []byte("\n")) {
		var r R
		switch {
		case len(line) == 0:
		case n == 0 && !bytes.Equal(line, head):
			return nil, fmt.Errorf("%s has results of another program or seed: %s, and not %s", path, line, head)
		case n > 0 && json.Unmarshal(line, &r) == nil: // a line that was cut off is no result
			j.Past = append(j.Past, r)
		}
	}
	if j.file, err = os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644); err != nil {
		return nil, err
	}
	switch {
	case len(data) == 0:
		_, err = j.file.Write(append(head, '\n'))
	case data[len(data)-1] != '\n':
		_, err = j.file.Write([]byte("\n"))
	}
	return j, err
}

// Keep adds a result. It is called by one at a time.
func (j *Journal[R]) Keep(r R) error {
	if j.file == nil {
		return nil
	}
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	_, err = j.file.Write(append(line, '\n'))
	return err
}
