package main

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"

	classifier "github.com/google/licenseclassifier/v2"
	"github.com/google/licenseclassifier/v2/assets"
)

// accepted are the licences under which others may be linked into what is published. One that is not among them stops
// a release, until somebody has read it.
var accepted = []string{"Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MPL-2.0"}

const thirdPartyFile = "THIRD_PARTY_LICENSES.txt"

// licences tells licences by their text.
type licences struct {
	classifier *classifier.Classifier
	known      map[string][]string // by text
}

func newLicences() (*licences, error) {
	c, err := assets.DefaultClassifier()
	if err != nil {
		return nil, fmt.Errorf("reading the texts of licences: %w", err)
	}
	return &licences{c, map[string][]string{}}, nil
}

// of are the SPDX names of a module's licences, sorted.
func (l *licences) of(m linked) ([]string, error) {
	names := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(m.notices)) {
		for _, found := range l.in(m.notices[name]) {
			if !slices.Contains(accepted, found) {
				return nil, fmt.Errorf("%s of %s %s looks like %s, which nobody has accepted", name, m.path, m.version, found)
			}
			names[found] = true
		}
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("%s %s has no licence that could be told: %d files", m.path, m.version, len(m.notices))
	}
	return slices.Sorted(maps.Keys(names)), nil
}

func (l *licences) in(text []byte) []string {
	if names, ok := l.known[string(text)]; ok {
		return names
	}
	names := []string{}
	for _, match := range l.classifier.Match(text).Matches {
		// Some licences say only which one they mean, in the words that it has for the head of a file.
		if (match.MatchType == "License" || match.MatchType == "Header") && !slices.Contains(names, match.Name) {
			names = append(names, match.Name)
		}
	}
	l.known[string(text)] = names
	return names
}

// thirdParty is the file that travels with each binary: who wrote what is in it, and under which terms. A text that
// several have in common stands there once.
func (l *licences) thirdParty(modules []linked) (file, error) {
	var page bytes.Buffer
	page.WriteString("rolloutgate is licensed under the Apache License 2.0, in the file LICENSE. Its binary contains the modules below.\n")
	page.WriteString("Their source is at https://pkg.go.dev/PATH@VERSION and from the Go module proxy.\n\n")
	texts := map[string][]string{}
	for _, m := range modules {
		names, err := l.of(m)
		if err != nil {
			return file{}, err
		}
		fmt.Fprintf(&page, "%s %s (%s)\n", m.path, m.version, strings.Join(names, ", "))
		for _, name := range slices.Sorted(maps.Keys(m.notices)) {
			text := string(bytes.TrimSpace(bytes.ReplaceAll(m.notices[name], []byte("\r\n"), []byte("\n"))))
			texts[text] = append(texts[text], m.path+" "+name)
		}
	}
	for _, text := range slices.SortedFunc(maps.Keys(texts), func(a, b string) int { return slices.Compare(texts[a], texts[b]) }) {
		fmt.Fprintf(&page, "\n%s\n%s\n\n%s\n", strings.Repeat("=", 100), strings.Join(texts[text], "\n"), text)
	}
	return file{name: thirdPartyFile, mode: 0o644, data: page.Bytes()}, nil
}
