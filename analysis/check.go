package analysis

import (
	"fmt"
	"math"
	"regexp"
	"strings"

	"github.com/prometheus/prometheus/promql/parser"
)

// ParseCheck reads a whole criterion from one PromQL comparison such as
// 'sum(rate(errors[1m])) <= 0.01', with a name before it if there is one, as in
// 'errors: sum(rate(errors[1m])) <= 0.01'. The comparison is split on the syntax
// tree, so that the value is known even where the comparison does not hold.
// The limit may stand on either side, in parentheses, as constant arithmetic
// (5 * 60), or on the right with one of the units of [ParseLimit]; a "bool"
// modifier makes no difference. Without a name the criterion has none.
//
// Variables are checked here and filled in when the criterion is asked. The
// error names what is missing and ends with a hint.
func ParseCheck(text string, vars Vars) (Criterion, error) {
	name, comparison := named(text, vars)
	query, op, limit, err := vars.split(comparison)
	if err != nil {
		return Criterion{}, fmt.Errorf("reading check %q: %w", oneLine(text), err)
	}
	return Criterion{Name: name, Type: "query", Query: query, Op: op, Limit: limit}, nil
}

// ParseChecks reads criteria as [ParseCheck] does. Those without a name are check-1, check-2 and so on, by their place in
// the list. No two criteria have the same name, those that there are already included.
func ParseChecks(texts []string, vars Vars, already []Criterion) ([]Criterion, error) {
	taken := map[string]bool{}
	for _, c := range already {
		taken[c.Name] = true
	}
	out := make([]Criterion, len(texts))
	for i, text := range texts {
		c, err := ParseCheck(text, vars)
		switch {
		case err != nil:
			return nil, err
		case c.Name != "" && taken[c.Name]:
			return nil, fmt.Errorf("reading check %q: %w", oneLine(text),
				&hinted{fmt.Sprintf("the name %q is taken by an earlier criterion", c.Name), "reports and annotations need different names"})
		}
		taken[c.Name] = true
		out[i] = c
	}
	for i := range out {
		if out[i].Name == "" {
			out[i].Name = free(fmt.Sprintf("check-%d", i+1), taken)
		}
	}
	return out, nil
}

// free returns the name, or with a number the first that is not taken, and takes it.
func free(name string, taken map[string]bool) string {
	unique := name
	for n := 2; taken[unique]; n++ {
		unique = fmt.Sprintf("%s-%d", name, n)
	}
	taken[unique] = true
	return unique
}

// named cuts the name from a check: what stands before a colon and a space that are no part of a query. A name may have
// colons of its own; the query begins where what follows can be read.
func named(text string, vars Vars) (name, comparison string) {
	text = strings.TrimSpace(text)
	first := -1
	for at := 0; ; {
		i := strings.IndexByte(text[at:], ':')
		if i < 0 {
			break
		}
		at += i + 1
		if strings.ContainsAny(text[:at], "{}()[]\"'`<>=!#") {
			break
		}
		rest := strings.TrimLeft(text[at:], " \t\r\n")
		if at == 1 || len(rest) == len(text)-at || rest == "" { // recording rules have colons, too
			continue
		}
		if first < 0 {
			first = at
		}
		if _, _, _, err := vars.split(rest); err == nil {
			return oneLine(text[:at-1]), rest
		}
	}
	if first < 0 {
		return "", text
	}
	if _, _, _, err := vars.split(text); err == nil {
		return "", text
	}
	return oneLine(text[:first-1]), strings.TrimSpace(text[first:]) // the mistake is in the query
}

// splitHint is what to write instead of a text that has no limit.
const splitHint = "write 'PROMQL <= LIMIT' with one of < <= > >= == and a constant limit"

// split takes a comparison with variables apart into the query for the value, with the variables, and the limit.
func (v Vars) split(text string) (query string, op Op, limit Limit, err error) {
	expanded, expansions, err := v.expand(text)
	if err != nil {
		return "", "", limit, err
	}
	from, to, op, limit, err := split(expanded)
	if err != nil {
		return "", "", limit, err
	}
	return text[original(from, expansions):original(to, expansions)], op, limit, nil
}

// split takes a comparison apart into the value, which is text[from:to], and the limit.
func split(text string) (from, to int, op Op, limit Limit, err error) {
	refuse := func(err error) (int, int, Op, Limit, error) { return 0, 0, "", Limit{}, err }
	text, unit := plainLimit(text)
	expr, err := parse(text)
	if err != nil {
		return refuse(err)
	}
	binary, ok := unwrap(expr).(*parser.BinaryExpr)
	if !ok {
		return refuse(&hinted{"no comparison with a limit at the top", splitHint})
	}
	if op, err = comparison(binary.Op); err != nil {
		return refuse(err)
	}
	value, left, right := binary.LHS, constant(binary.LHS), constant(binary.RHS)
	switch {
	case left.ok && right.ok:
		return refuse(&hinted{"compares two constants", splitHint})
	case right.ok:
		limit = Limit{right.value, right.unit}
	case left.ok:
		value, op, limit = binary.RHS, op.flipped(), Limit{left.value, left.unit}
	default:
		return refuse(&hinted{"compares two queries, so there is no limit to show",
			"compare with a constant: subtract or divide one query by the other, 'A / B <= 1' or 'A - B <= 0'"})
	}
	if math.IsNaN(limit.Value) || math.IsInf(limit.Value, 0) {
		return refuse(&hinted{"the limit is not a finite number", splitHint})
	}
	if unit != None {
		// The suffix was cut from the text, so its plain number was parsed.
		limit.Unit = unit
	}
	if err := valueQuery(value); err != nil {
		return refuse(err)
	}
	if from, to, ok = source(text, value); !ok {
		return refuse(&hinted{"where the value ends cannot be told", "write the value alone as query in a file, and its limit as max or min"})
	}
	return from, to, op, limit, nil
}

// plainLimit replaces a trailing limit with a unit that PromQL does not have
// (1%, 64Mi) by its plain number. Neither is ever valid at the end of PromQL,
// so no valid query changes its meaning.
func plainLimit(text string) (string, Unit) {
	m := regexp.MustCompile(`^(?s)(.*[<>=\s(])([0-9][0-9.]*(?:%|Ki|Mi|Gi|Ti))([\s)]*)$`).FindStringSubmatch(text)
	if m == nil {
		return text, None
	}
	limit, err := parseLimit(m[2])
	if err != nil {
		return text, None
	}
	return fmt.Sprintf("%s%v%s", m[1], limit.Value, m[3]), limit.Unit
}

// comparison maps the top operator of PromQL to ours, or says what to write
// instead of it.
func comparison(item parser.ItemType) (Op, error) {
	switch item {
	case parser.LSS:
		return Less, nil
	case parser.LTE:
		return LessEqual, nil
	case parser.GTR:
		return Greater, nil
	case parser.GTE:
		return GreaterEqual, nil
	case parser.EQLC:
		return Equal, nil
	case parser.NEQ:
		return "", &hinted{"the comparison != cannot be a criterion: nearly every value differs from a limit",
			"use == for the wanted value, or < and > for a range"}
	case parser.LAND, parser.LOR, parser.LUNLESS:
		return "", &hinted{fmt.Sprintf("joined by %q at the top, so there is no single limit", item),
			"write one criterion for each part; all of them have to pass"}
	}
	return "", &hinted{"no comparison with a limit at the top", splitHint}
}
