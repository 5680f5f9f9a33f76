package analysis

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"
)

// Vars are the values of the variables that a query may name.
type Vars struct {
	Namespace string        // ${namespace}
	Window    time.Duration // ${window}, as in rate(x[${window}])
	Interval  time.Duration // ${interval}
}

// Placeholders are stand-ins with which a query can be linted before the
// real values are known.
func Placeholders() Vars {
	return Vars{Namespace: "namespace", Window: 5 * time.Minute, Interval: 15 * time.Second}
}

// lookup returns a variable's value. A variable without a value is an error:
// an empty namespace would silently select series that have none.
func (v Vars) lookup(name string) (value string, duration bool, err error) {
	switch name {
	case "namespace":
		value = v.Namespace
	case "window":
		value, duration = promDuration(v.Window), true
	case "interval":
		value, duration = promDuration(v.Interval), true
	default:
		known := []string{"namespace", "window", "interval"}
		hint := "known are ${" + strings.Join(known, "}, ${") + "}; write $${ for a literal ${"
		if near := closest(name, known); near != "" {
			hint = "did you mean ${" + near + "}?"
		}
		return "", false, &hinted{fmt.Sprintf("unknown variable ${%s}", name), hint}
	}
	if value == "" {
		return "", false, fmt.Errorf("the variable ${%s} has no value here", name)
	}
	return value, duration, nil
}

// promDuration prints a duration for PromQL, which knows whole milliseconds.
func promDuration(d time.Duration) string {
	if d < time.Millisecond {
		return ""
	}
	return model.Duration(d).String()
}

// Expand replaces ${name} in a query. Inside a quoted string the value is
// escaped for that string, and quoted as a pattern where the string follows
// =~ or !~, so that a value only ever matches itself. Outside of strings only
// durations make sense. "$${" stands for a literal "${", any other dollar
// sign for itself, and comments stay as they are. It does not check that the
// result is PromQL.
func (v Vars) Expand(query string) (string, error) {
	var out strings.Builder
	place := code // where in the PromQL the next character stands
	pattern := false
	for i := 0; i < len(query); i++ {
		c := query[i]
		if place != comment && c == '$' {
			if strings.HasPrefix(query[i:], "$${") {
				out.WriteString("${")
				i += 2
				continue
			}
			if strings.HasPrefix(query[i:], "${") {
				name, _, closed := strings.Cut(query[i+2:], "}")
				if !closed {
					return "", &hinted{"a variable is not closed: " + strconv.Quote(query[i:]), "write ${name}, or $${ for a literal ${"}
				}
				value, err := v.insert(name, place, pattern)
				if err != nil {
					return "", err
				}
				out.WriteString(value)
				i += len(name) + 2
				continue
			}
		}
		if place == code && strings.IndexByte("\"'`", c) >= 0 {
			before := strings.TrimRight(out.String(), " \t\r\n")
			pattern = strings.HasSuffix(before, "=~") || strings.HasSuffix(before, "!~")
		}
		out.WriteByte(c)
		if c == '\\' && (place == '"' || place == '\'') && i+1 < len(query) {
			i++ // the next character is escaped and closes nothing
			out.WriteByte(query[i])
			continue
		}
		place = place.after(c)
	}
	return out.String(), nil
}

// position is a place in PromQL text: code, comment, or the quote character
// of the string around it.
type position byte

const (
	code    position = 0
	comment position = '#'
)

// after returns the place that follows the character c.
func (p position) after(c byte) position {
	switch {
	case p == code && strings.IndexByte("\"'`#", c) >= 0:
		return position(c)
	case p == comment && c == '\n', p != comment && p != code && position(c) == p:
		return code
	}
	return p
}

// insert returns a variable's value as it has to be written at a place.
func (v Vars) insert(name string, place position, pattern bool) (string, error) {
	value, duration, err := v.lookup(name)
	switch {
	case err != nil:
		return "", err
	case place == code && duration:
		return value, nil
	case place == code:
		return "", &hinted{fmt.Sprintf("the variable ${%s} stands outside of quotes", name),
			fmt.Sprintf(`write "${%s}", as in {namespace="${namespace}"}`, name)}
	}
	if pattern {
		value = regexp.QuoteMeta(value)
	}
	if place == '`' {
		if strings.Contains(value, "`") {
			return "", &hinted{fmt.Sprintf("the value of ${%s} contains a backquote", name), "use double quotes around it"}
		}
		return value, nil
	}
	quoted := strconv.Quote(value)
	quoted = quoted[1 : len(quoted)-1]
	if place == '\'' {
		quoted = strings.ReplaceAll(strings.ReplaceAll(quoted, `\"`, `"`), "'", `\'`)
	}
	return quoted, nil
}
