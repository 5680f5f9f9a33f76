package messages

import (
	"regexp"
	"strings"
)

// The words of a LimitRange (plugin/pkg/admission/limitranger). Up to 1.12 they began with a capital letter.
var (
	limitRange = regexp.MustCompile(`(?:[Mm]aximum|[Mm]inimum) \S+ usage per (?:Container|Pod|PersistentVolumeClaim) is |\S+ max limit to request ratio per (?:Container|Pod) is `)
	limitBound = regexp.MustCompile(`([Mm]aximum|[Mm]inimum) (\S+) usage per (\S+) is ([^\s,]+?)(?:, but (limit|request) is ([^\s,\]]+?)|\.\s+No (limit|request) is specified)(?:[.,\]]|$)`)
	limitRatio = regexp.MustCompile(`(\S+) max limit to request ratio per (\S+) is ([^\s,]+), but ([^,\]]+?)(?:[,\]]|$)`)
)

// Bound is one value that a LimitRange does not take. Values are quantities as the API server prints them.
type Bound struct {
	Kind     string // maximum, minimum, or ratio: of limit to request
	Resource string // cpu
	Per      string // Container, Pod or PersistentVolumeClaim
	Allowed  string // the maximum, the minimum or the ratio
	Of       string // limit or request; empty for a ratio
	Given    string // the limit or request; empty when there is none; of a ratio a sentence, provided ratio is 20.000000.
}

// bounds reads the sentences of a LimitRange; there may be none in words that limitRange knows it by.
func bounds(text string) []Bound {
	var all []Bound
	for _, m := range limitBound.FindAllStringSubmatch(text, -1) {
		all = append(all, Bound{Kind: strings.ToLower(m[1]), Resource: m[2], Per: m[3], Allowed: m[4], Of: m[5] + m[7], Given: m[6]})
	}
	for _, m := range limitRatio.FindAllStringSubmatch(text, -1) {
		all = append(all, Bound{Kind: "ratio", Resource: m[1], Per: m[2], Allowed: m[3], Given: m[4]})
	}
	return all
}
