package cluster

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// TestLastLines: a log is kept to its end, in whole lines, and no part of a line is: half a secret is not recognised.
func TestLastLines(t *testing.T) {
	broken := func(text string) io.Reader {
		return io.MultiReader(strings.NewReader(text), iotest.ErrReader(errors.New("reset")))
	}
	for name, c := range map[string]struct {
		from io.Reader
		most int
		want string
		cut  bool
		err  bool
	}{
		"nothing":                       {strings.NewReader(""), 10, "", false, false},
		"less":                          {strings.NewReader("one\ntwo\n"), 10, "one\ntwo\n", false, false},
		"without an end of line":        {strings.NewReader("one\ntwo"), 10, "one\ntwo", false, false},
		"exactly":                       {strings.NewReader("one\ntwo\n"), 8, "one\ntwo\n", false, false},
		"exactly so many lines, of two": {strings.NewReader("one\ntwo\n"), 4, "two\n", true, false},
		"one byte more":                 {strings.NewReader("one\ntwo\n"), 7, "two\n", true, false},
		"a line that is too long":       {strings.NewReader(strings.Repeat("x", 100)), 10, "", true, false},
		"its end is too long":           {strings.NewReader("one\n" + strings.Repeat("x", 100)), 10, "", true, false},
		"cut off in a line":             {broken("one\ntwo\nthr"), 100, "one\ntwo\n", true, true},
		"cut off in the first line":     {broken("on"), 100, "", true, true},
		"byte by byte":                  {iotest.OneByteReader(strings.NewReader("one\ntwo\nthree\n")), 11, "two\nthree\n", true, false},
	} {
		got, cut, err := lastLines(c.from, c.most)
		if got != c.want || cut != c.cut || (err != nil) != c.err {
			t.Errorf("%s: %q, cut %t, error %v; want %q, %t", name, got, cut, err, c.want, c.cut)
		}
	}
}

// TestLastLinesOfMany: of a log that is much longer than what is kept, not all of it is held.
func TestLastLinesOfMany(t *testing.T) {
	var text strings.Builder
	for i := range mostLines + 10 {
		fmt.Fprintf(&text, "line %d\n", i)
	}
	got, cut, err := lastLines(strings.NewReader(text.String()), 100)
	if err != nil || !cut || !strings.HasSuffix(got, fmt.Sprintf("line %d\n", mostLines+9)) || !strings.HasPrefix(got, "line ") || len(got) > 100 {
		t.Errorf("%d bytes, cut %t, error %v: %q", len(got), cut, err, got)
	}
}
