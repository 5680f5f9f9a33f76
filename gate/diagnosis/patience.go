package diagnosis

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Patience is what the user said about early verdicts.
type Patience struct {
	// Grace replaces the time After by code. On a code that waits for the timeout it makes that an early verdict.
	Grace map[string]time.Duration
	// GraceBy says who set a grace, by code, where that was not the flag: "the annotation rolloutgate.dev/grace".
	GraceBy map[string]string
	// NoFailFast lists codes that never end the gate early; the key "all" stands for every code.
	NoFailFast map[string]bool
}

// ParsePatience reads "CODE=DURATION,…" and "CODE,…" (or "all"). The error names the part that it could not read and
// what was meant, as far as that can be guessed.
func (c *Catalogue) ParsePatience(grace, noFailFast string) (Patience, error) {
	p := Patience{Grace: map[string]time.Duration{}, NoFailFast: map[string]bool{}}
	for part := range fields(grace) {
		code, text, _ := strings.Cut(part, "=")
		code = strings.TrimSpace(code)
		d, err := time.ParseDuration(strings.TrimSpace(text))
		if err != nil || d < 0 {
			return p, fmt.Errorf("%q is not CODE=DURATION\n  hint: for example ImageNotFound=2m", part)
		}
		if err := c.known(code); err != nil {
			return p, err
		}
		p.Grace[code] = d
	}
	for code := range fields(noFailFast) {
		if code != "all" {
			if err := c.known(code); err != nil {
				return p, err
			}
		}
		p.NoFailFast[code] = true
	}
	return p, nil
}

// fields are the parts of a list with commas.
func fields(list string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for part := range strings.SplitSeq(list, ",") {
			if part = strings.TrimSpace(part); part != "" && !yield(part) {
				return
			}
		}
	}
}

// known refuses a code that does not exist.
func (c *Catalogue) known(code string) error {
	if cause, ok := c.causes[code]; ok {
		if cause.By.NoFlags {
			return fmt.Errorf("how long %s may last is not a matter of --grace\n  hint: tune it by %s", code, cause.By.Knob)
		}
		return nil
	}
	codes, hint := c.Codes(), "docs/causes.md lists the codes; the code of a failed rollout stands in its report"
	if i := slices.IndexFunc(codes, func(c string) bool { return strings.EqualFold(c, code) }); i >= 0 {
		hint = "it is spelled " + codes[i]
	}
	return fmt.Errorf("unknown cause %q\n  hint: %s", code, hint)
}
