package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// manuals are the manual pages: one of the program, and one of each command.
func manuals(r reference, date time.Time) []file {
	files := []file{manual(program, overview(r, date))}
	for _, c := range r.Commands {
		name := program + "-" + c.Name
		page := newPage(name, r.Version, date)
		page.section("name")
		page.line(name + " - " + c.Short)
		page.section("synopsis")
		page.line(c.Use)
		page.section("description")
		page.line(sentence(or(c.Long, c.Short)))
		if len(c.Flags) > 0 {
			page.section("options")
		}
		for _, f := range c.Flags {
			page.item(tag(f), explained(f))
		}
		if c.Example != "" {
			page.section("examples")
			page.verbatim(unindented(c.Example))
		}
		page.section("see also")
		page.line(program + "(1)")
		files = append(files, manual(name, page))
	}
	return files
}

func manual(name string, page *roff) file {
	return file{name: "man/man1/" + name + ".1", mode: 0o644, data: page.bytes()}
}

func overview(r reference, date time.Time) *roff {
	page := newPage(program, r.Version, date)
	page.section("name")
	page.line(program + " - " + r.Short)
	page.section("synopsis")
	page.line(program + " COMMAND [flags]")
	page.section("description")
	page.line(r.Long)
	page.section("commands")
	for _, c := range r.Commands {
		page.item(program+"-"+c.Name+"(1)", sentence(c.Short))
	}
	page.section("exit status")
	for _, e := range r.Exits {
		page.item(fmt.Sprintf("%d %s", e.Code, e.Name), sentence(e.Meaning))
	}
	page.section("environment")
	page.item("KUBECONFIG", "The kubeconfig, as for kubectl(1).")
	page.item("ROLLOUTGATE_FLAG", "The value of a flag: ROLLOUTGATE_UNDO_TIMEOUT is --undo-timeout. A flag goes before it, the config file behind it. A flag that may be repeated takes one value per line.")
	page.item("ROLLOUTGATE_PROMETHEUS_TOKEN", "A bearer token for Prometheus. There is no flag for it: every process of a machine can read the flags of the others.")
	page.section("files")
	page.item("rolloutgate.yaml", "The config file, read when it is in the working directory and --config names no other.")
	page.section("examples")
	for _, c := range r.Commands {
		if c.Name == "run" {
			page.verbatim(unindented(c.Example))
		}
	}
	page.section("see also")
	var others []string
	for _, c := range r.Commands {
		others = append(others, program+"-"+c.Name+"(1)")
	}
	slices.Sort(others)
	page.line(strings.Join(others, ",\n"))
	page.paragraph(project)
	return page
}

func tag(f flagOf) string {
	text := "--" + f.Name
	if f.Type != "bool" {
		// A flag that may be repeated takes one value at a time.
		text += "=" + strings.ToUpper(strings.TrimSuffix(strings.TrimSuffix(f.Type, "Array"), "Slice"))
	}
	if f.Shorthand != "" {
		text = "-" + f.Shorthand + ", " + text
	}
	return text
}

func explained(f flagOf) string {
	text := sentence(f.Usage)
	if f.Default != "" {
		text += " Default: " + f.Default + "."
	}
	return text
}

// sentence begins with a capital and ends with a full stop.
func sentence(text string) string {
	if first, size := utf8.DecodeRuneInString(text); size > 0 {
		text = string(unicode.ToUpper(first)) + text[size:]
	}
	if text == "" || strings.HasSuffix(text, ".") || strings.HasSuffix(text, "?") {
		return text
	}
	return text + "."
}

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

// unindented takes away the two spaces that cobra wants in front of examples.
func unindented(example string) string {
	return strings.ReplaceAll("\n"+example, "\n  ", "\n")[1:]
}
