// Package wording has what every text of the program is made of: durations, counted things, foreign texts made fit for a
// sentence, and names that are nearly the same.
//
// Takes: plain values. Returns: strings. Never: imports another package of this module.
package wording

import (
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"
)

// Duration prints a duration in whole seconds and without its zero parts: 1m30s, 2m, 45s.
func Duration(d time.Duration) string {
	text := d.Round(time.Second).String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// Plural counts things: "1 restart", "3 restarts".
func Plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// longest is how much of a foreign text goes into one sentence, in bytes.
const longest = 300

var escapes = regexp.MustCompile(`\x1b\[[0-9;?]*[ -/]*[@-~]`)

// Plain takes the escape sequences of a terminal out of a text.
func Plain(text string) string { return escapes.ReplaceAllString(text, "") }

// Quote makes a foreign text fit for a sentence: one line, no control sequences, not endless.
func Quote(text string) string {
	text = strings.Join(strings.Fields(Plain(text)), " ")
	if len(text) <= longest {
		return text
	}
	cut := longest
	for cut > 0 && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + "…"
}

// Distance is how many letters have to be put in, taken out or changed to make one word another (Levenshtein).
func Distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := before
			if a[i] != b[j] {
				cost++
			}
			before = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
