package messages

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
)

var (
	quotaExceeded = regexp.MustCompile(`exceeded quota: ([^,]+), requested: (\S+), used: (\S+), limited: (\S+)`)
	quotaNeeds    = regexp.MustCompile(`failed quota: ([^:]+): must specify (.+)$`)
)

// Shortage is one resource of which a quota has too little for one more object. The API server names only those
// (apiserver's plugin/resourcequota, CheckRequest).
type Shortage struct {
	Resource         string             // in the quota's words: pods, requests.cpu, count/replicasets.apps
	Need, Used, Hard *resource.Quantity // nil where the text has no number that can be read: it may be cut
}

// shortages reads "requested: pods=1, used: pods=3, limited: pods=3", where each list may have several resources.
func shortages(requested, used, limited string) []Shortage {
	has, hard := quantities(used), quantities(limited)
	var all []Shortage
	for name, need := range quantities(requested) {
		all = append(all, Shortage{name, need, has[name], hard[name]})
	}
	slices.SortFunc(all, func(a, b Shortage) int { return cmp.Compare(a.Resource, b.Resource) })
	return all
}

// quantities reads cpu=1,memory=2Gi.
func quantities(text string) map[string]*resource.Quantity {
	all := map[string]*resource.Quantity{}
	for _, pair := range strings.Split(text, ",") {
		name, value, _ := strings.Cut(pair, "=")
		all[name] = nil
		if q, err := resource.ParseQuantity(value); err == nil {
			all[name] = &q
		}
	}
	return all
}
