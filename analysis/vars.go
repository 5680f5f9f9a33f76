package analysis

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"
)

// Vars are the values of the variables that a query may name. A variable whose value is empty or zero cannot be used:
// an empty namespace would silently select series that have none.
type Vars struct {
	Namespace string // ${namespace}

	// Of the workload that is rolled out; empty when there are several, because then no single value is right.
	Kind, Workload, Service, Container, Image, ImageTag, Revision string
	NewReplicaSet, OldReplicaSet, NewHash, OldHash                string

	NewPods, OldPods []string // ${newPods} ${oldPods}, patterns that match exactly these names

	Window   time.Duration // ${window}, as in rate(x[${window}])
	Interval time.Duration // ${interval}
	Since    time.Duration // ${since}: since the rollout began

	RolloutStart, ReadyAt time.Time // ${rolloutStart} ${readyAt}, as in x @ ${rolloutStart}

	Custom map[string]string // ${vars.NAME}, from the configuration
	Env    map[string]string // ${env.NAME}, those that the configuration allows
}

// Placeholders are stand-ins for everything that is not known before a run, with which a query can be linted.
func Placeholders() Vars {
	now := time.Unix(1700000000, 0)
	return Vars{
		Namespace: "namespace", Kind: "Deployment", Workload: "workload", Service: "service", Container: "container",
		Image: "image:tag", ImageTag: "tag", Revision: "hash", NewReplicaSet: "workload-new", OldReplicaSet: "workload-old",
		NewHash: "new", OldHash: "old", NewPods: []string{"workload-new-a"}, OldPods: []string{"workload-old-a"},
		Window: 5 * time.Minute, Interval: 15 * time.Second, Since: time.Minute, RolloutStart: now, ReadyAt: now,
	}
}

// class says where in a query a variable's value may stand.
type class int

const (
	word    class = iota // in quotes, as itself
	pattern              // in quotes after =~ or !~, as a regular expression
	number               // anywhere: a duration or a time
)

// values lists all variables, in the order of the documentation.
func (v Vars) values() []struct {
	name, value string
	class       class
} {
	return []struct {
		name, value string
		class       class
	}{
		{"namespace", v.Namespace, word}, {"kind", v.Kind, word}, {"workload", v.Workload, word}, {"service", v.Service, word},
		{"container", v.Container, word}, {"image", v.Image, word}, {"imageTag", v.ImageTag, word}, {"revision", v.Revision, word},
		{"newReplicaSet", v.NewReplicaSet, word}, {"oldReplicaSet", v.OldReplicaSet, word}, {"newHash", v.NewHash, word},
		{"oldHash", v.OldHash, word}, {"newPods", podPattern(v.NewPods), pattern}, {"oldPods", podPattern(v.OldPods), pattern},
		{"window", promDuration(v.Window), number}, {"interval", promDuration(v.Interval), number},
		{"since", promDuration(v.Since), number}, {"rolloutStart", promTime(v.RolloutStart), number}, {"readyAt", promTime(v.ReadyAt), number},
	}
}

// Names lists the variables that every query may use, for documentation.
func (v Vars) Names() []string {
	var names []string
	for _, known := range v.values() {
		names = append(names, known.name)
	}
	return names
}

func (v Vars) lookup(name string) (value string, c class, err error) {
	for group, values := range map[string]map[string]string{"vars.": v.Custom, "env.": v.Env} {
		if own, ok := strings.CutPrefix(name, group); ok {
			if value, ok := values[own]; ok {
				return value, word, nil
			}
			return "", word, &hinted{fmt.Sprintf("unknown variable ${%s}", name), map[string]string{
				"vars.": "set it under vars:", "env.": "allow it under env:, a list of names of environment variables, and set it there"}[group]}
		}
	}
	for _, known := range v.values() {
		switch {
		case known.name != name:
		case known.value == "" && known.class == pattern:
			return nothing, pattern, nil // there are no such pods
		case known.value == "":
			return "", word, fmt.Errorf("the variable ${%s} has no value here", name)
		default:
			return known.value, known.class, nil
		}
	}
	names := v.Names()
	hint := "known are ${" + strings.Join(names, "}, ${") + "}, ${vars.NAME} and ${env.NAME}; write $${ for a literal ${"
	if near := Closest(name, names); near != "" {
		hint = "did you mean ${" + near + "}?"
	}
	return "", word, &hinted{fmt.Sprintf("unknown variable ${%s}", name), hint}
}

// promTime prints a time for the @ modifier.
func promTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return strconv.FormatFloat(float64(t.UnixMilli())/1000, 'f', -1, 64)
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
	expanded, _, err := v.expand(query)
	return expanded, err
}

// expansion is a part of a query that another text has taken the place of: query[from:to] became expanded[at:end].
type expansion struct{ from, to, at, end int }

// original returns the place in the query that a place in the expanded text comes from. A place within a value is taken
// for its beginning.
func original(at int, expansions []expansion) int {
	shift := 0
	for _, e := range expansions {
		switch {
		case at >= e.end:
			shift = e.to - e.end
		case at > e.at:
			return e.from
		}
	}
	return at + shift
}

// expand is Expand, and says what has replaced what.
func (v Vars) expand(query string) (string, []expansion, error) {
	var out strings.Builder
	var expansions []expansion
	place := code // where in the PromQL the next character stands
	inPattern := false
	for i := 0; i < len(query); i++ {
		c := query[i]
		if place != comment && c == '$' {
			if strings.HasPrefix(query[i:], "$${") {
				expansions = append(expansions, expansion{i, i + 3, out.Len(), out.Len() + 2})
				out.WriteString("${")
				i += 2
				continue
			}
			if strings.HasPrefix(query[i:], "${") {
				name, _, closed := strings.Cut(query[i+2:], "}")
				if !closed {
					return "", nil, &hinted{"a variable is not closed: " + strconv.Quote(query[i:]), "write ${name}, or $${ for a literal ${"}
				}
				value, err := v.insert(name, place, inPattern)
				if err != nil {
					return "", nil, err
				}
				expansions = append(expansions, expansion{i, i + len(name) + 3, out.Len(), out.Len() + len(value)})
				out.WriteString(value)
				i += len(name) + 2
				continue
			}
		}
		if place == code && strings.IndexByte("\"'`", c) >= 0 {
			before := strings.TrimRight(out.String(), " \t\r\n")
			inPattern = strings.HasSuffix(before, "=~") || strings.HasSuffix(before, "!~")
		}
		out.WriteByte(c)
		if c == '\\' && (place == '"' || place == '\'') && i+1 < len(query) {
			i++ // the next character is escaped and closes nothing
			out.WriteByte(query[i])
			continue
		}
		place = place.after(c)
	}
	return out.String(), expansions, nil
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
func (v Vars) insert(name string, place position, inPattern bool) (string, error) {
	value, class, err := v.lookup(name)
	switch {
	case err != nil:
		return "", err
	case place == code && class == number:
		return value, nil
	case place == code:
		return "", &hinted{fmt.Sprintf("the variable ${%s} stands outside of quotes", name),
			fmt.Sprintf(`write "${%s}", as in {namespace="${namespace}"}`, name)}
	case class == pattern && !inPattern:
		return "", &hinted{fmt.Sprintf("the variable ${%s} is a regular expression", name),
			fmt.Sprintf(`write it after =~ or !~, as in {pod=~"${%s}"}`, name)}
	case inPattern && class != pattern:
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
