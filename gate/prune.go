package gate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/patch"
	"github.com/rolloutgate/rolloutgate/gate/prune"
	"github.com/rolloutgate/rolloutgate/gate/record"
)

// Prune says what a run deletes at its end: the objects that the last run of the same set had and that it has not.
type Prune struct {
	// Set is the name that all runs of one set have, in one namespace; empty: nothing is deleted.
	Set string
	// Protected are kinds that are deleted although they are protected, such as Namespace.
	Protected []string
	// Most says that the manifests are all of the set, although they look like a part of it.
	Most bool
	// Unread tells whether a file of which an earlier run has had objects is there, and was not read for this one. Nil: nobody
	// knows.
	Unread func(path string) bool
}

// pruning is what a run knows about what it deletes.
type pruning struct {
	first bool          // no run of the set is on record: this one says what belongs to it
	base  string        // the run in whose place it comes
	asked []patch.Write // the objects that are to be deleted, in that order
	stay  []patch.Write // those that belong to the set and stay for now
	begun bool          // the record says that objects may be deleted from now on
	// unfinished are the runs that this one takes over.
	unfinished []record.Record
}

// maxStay is of how many objects a run says why they stay.
const maxStay = 20

// withPrunes adds to a plan what is to be deleted.
func (r *run) withPrunes(ctx context.Context, plan patch.Plan) (patch.Plan, error) {
	r.pruning = pruning{unfinished: r.pruning.unfinished}
	if r.g.Prune.Set == "" {
		return plan, nil
	}
	if why := r.cannotPrune(); why != "" {
		r.note("nothing is pruned: %s", why)
		return plan, nil
	}
	records, err := r.formerRuns(ctx)
	if err != nil || records == nil {
		return plan, err
	}
	members, err := r.formerMembers(ctx, plan, records)
	if err != nil || len(members) == 0 {
		return plan, err
	}
	all, err := r.g.Cluster.Leftovers(ctx, members)
	if err != nil {
		return plan, err
	}
	for _, l := range all {
		r.hide(patch.Plan{Prunes: []patch.Write{{Before: l.Live}}}.SecretValues())
	}
	facts, err := r.pruneFacts(ctx, plan, all, records)
	if err != nil {
		return plan, err
	}
	plan.Prunes = r.decidePrunes(prune.Decide(all, facts))
	r.pruning.asked = plan.Prunes
	return plan, r.mayPrune(ctx, plan.Prunes)
}

// cannotPrune is why this run can know nothing about an earlier one; empty when it may.
func (r *run) cannotPrune() string {
	switch {
	case r.g.Store == nil || r.g.Keep == KeepNothing:
		return "runs are not on record (--record none), so nobody knows what an earlier one had"
	case r.g.History <= 0 && r.report.Run.Command != "plan": // which keeps nothing itself
		return "no run stays on record (--history 0), so nobody knows what an earlier one had"
	}
	return ""
}

// formerRuns lists the runs on record. None where they are not known, or none of the set is among them, which is said.
func (r *run) formerRuns(ctx context.Context) ([]record.Summary, error) {
	all, err := r.g.Store.Records(ctx, r.g.Namespace)
	if OutcomeOf(err) == Denied {
		r.note("nothing is pruned: this account may not list the runs on record in namespace %s: %v", r.g.Namespace, err)
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	i := record.LastOf(r.g.Prune.Set, all)
	if i < 0 {
		r.pruning.first = true
		r.note("nothing is pruned: no run of the set %s is on record in namespace %s; the next one will know what this one had", r.g.Prune.Set, r.g.Namespace)
		return nil, nil
	}
	r.pruning.base = all[i].ID
	return all, nil
}

// formerMembers are the objects of the set that the plan does not write. The error is that the manifests look like a part of
// the set alone.
func (r *run) formerMembers(ctx context.Context, plan patch.Plan, records []record.Summary) ([]patch.Write, error) {
	base, err := r.g.Store.LoadRecord(ctx, r.g.Namespace, r.pruning.base)
	if OutcomeOf(err) == Retry {
		return nil, err
	}
	if err != nil {
		r.note("nothing is pruned: the last run of the set %s cannot be read: %v", r.g.Prune.Set, err)
		return nil, nil
	}
	if err := r.isWhole(base, plan); err != nil {
		return nil, err
	}
	members := base.Members()
	for _, u := range r.pruning.unfinished {
		if u.Set.Name != r.g.Prune.Set {
			continue
		}
		lacks := r.unrecorded
		left, err := r.trace(ctx, u)
		if err != nil {
			return nil, err
		}
		r.unrecorded = lacks // what cannot be put back is said when the run is taken over
		u.Stages, u.Leftovers = []record.Stage{{Writes: left}}, nil
		for _, w := range u.Members() {
			if i := indexOf(members, w.Ref); i < 0 && w.Written != nil {
				members = append(members, w)
			} else if i >= 0 && w.Written != nil {
				members[i] = w
			}
		}
	}
	r.hide(patch.Plan{Writes: members}.SecretValues())
	return slices.DeleteFunc(members, func(w patch.Write) bool { return indexOf(plan.Writes, w.Ref) >= 0 }), nil
}

func indexOf(writes []patch.Write, ref manifest.Ref) int {
	return slices.IndexFunc(writes, func(w patch.Write) bool { return w.Ref == ref })
}

// isWhole refuses manifests that look like a part of the set alone: the rest of it would be deleted.
func (r *run) isWhole(base record.Record, plan patch.Plan) error {
	leftovers := base.Leftovers
	base.Leftovers = nil
	had := base.Members()
	var still, has int
	for _, w := range plan.Writes {
		if !w.Hook && !w.OfRun && w.Test == 0 && w.Object.Unstructured != nil {
			has++
		}
	}
	var unread []string
	sameFiles := slices.ContainsFunc(had, func(m patch.Write) bool { // and not all of it from elsewhere, as another folder
		return slices.ContainsFunc(plan.Writes, func(w patch.Write) bool { return w.Source.Path == m.Source.Path })
	})
	for _, m := range had {
		switch {
		case indexOf(plan.Writes, m.Ref) >= 0:
			still++
		case sameFiles && r.g.Prune.Unread != nil && m.Source.Path != "" && indexOf(leftovers, m.Ref) < 0 && r.g.Prune.Unread(m.Source.Path):
			unread = append(unread, fmt.Sprintf("%s, from which run %s had %s, is there and was not read", m.Source.Path, base.ID, m.Ref))
		}
	}
	why := ""
	switch {
	case r.g.Prune.Most || len(had) == 0 || still == len(had):
		return nil
	case still == 0:
		why = fmt.Sprintf("none of the %d objects that run %s had is among them", len(had), base.ID)
	case 2*has < len(had):
		why = fmt.Sprintf("they have %d objects, and run %s had %d", has, base.ID, len(had))
	case len(unread) > 0:
		why = unread[0]
	default:
		return nil
	}
	return refusedError{fmt.Errorf("these manifests look like a part of the set %s alone: %s\n  hint: name all files of the set, or say that this is all of it with --prune-most", r.g.Prune.Set, why)}
}

// pruneFacts is what decides about leftovers, beside themselves.
func (r *run) pruneFacts(ctx context.Context, plan patch.Plan, all []prune.Leftover, records []record.Summary) (prune.Facts, error) {
	f := prune.Facts{
		Namespaces: []string{r.g.Namespace}, Written: map[types.UID]manifest.Ref{}, Elsewhere: map[manifest.Ref]string{},
		Unlisted: map[string]error{}, WithoutSecrets: r.g.Keep == KeepInFile,
	}
	for _, gk := range prune.ProtectedKinds {
		if slices.Contains(r.g.Prune.Protected, gk.Kind) {
			f.Protected = append(f.Protected, gk)
		}
	}
	for _, w := range plan.Writes {
		f.Namespaces = append(f.Namespaces, w.Ref.Namespace)
		if w.Before != nil {
			f.Written[w.Before.GetUID()] = w.Ref
		}
	}
	if err := r.readersOfPlan(ctx, plan, all, &f); err != nil {
		return f, err
	}
	return f, r.elsewhere(ctx, all, records, f.Elsewhere)
}

// readersOfPlan are what will run pods in the namespaces of leftovers when the plan is carried out.
func (r *run) readersOfPlan(ctx context.Context, plan patch.Plan, all []prune.Leftover, f *prune.Facts) error {
	seen := map[string]bool{}
	for _, l := range all {
		namespace := l.Was.Ref.Namespace
		if l.Live == nil || !prune.Readable(l.Was.Ref) || seen[namespace] {
			continue
		}
		seen[namespace] = true
		readers, err := r.g.Cluster.Readers(ctx, namespace, false)
		if OutcomeOf(err) == Retry {
			return err
		}
		if err != nil {
			f.Unlisted[namespace] = err
		}
		f.Readers = append(f.Readers, readers...)
	}
	f.Readers = slices.DeleteFunc(f.Readers, func(reader prune.Reader) bool { return indexOf(plan.Writes, reader.Object) >= 0 })
	for _, w := range plan.Writes {
		after := w.After
		if after == nil {
			after = w.Sent
		}
		if reader, ok := prune.ReaderOf(w.Ref, after); ok && !w.Added {
			f.Readers = append(f.Readers, reader)
		} else if reader, ok := prune.ReaderOf(w.Ref, w.Before); ok && w.Added {
			f.Readers = append(f.Readers, reader)
		}
	}
	return nil
}

// elsewhere finds out which leftovers other runs have, in their namespaces: those that go on, the last of every other set, and
// those of no set that came after the last run of this one.
func (r *run) elsewhere(ctx context.Context, all []prune.Leftover, records []record.Summary, has map[manifest.Ref]string) error {
	homes := map[string][]record.Summary{r.g.Namespace: records}
	for _, l := range all {
		home := l.Was.Ref.Namespace
		if _, known := homes[home]; known || home == "" || l.Live == nil {
			continue
		}
		found, err := r.g.Store.Records(ctx, home)
		if OutcomeOf(err) == Denied {
			r.note("this account may not list the runs on record in namespace %s, so whether they have what is pruned there is not known", home)
			err = nil
		}
		if err != nil {
			return err
		}
		homes[home] = found
	}
	for home, found := range homes {
		for i, s := range found {
			if !r.counts(home, i, found) {
				continue
			}
			other, err := r.g.Store.LoadRecord(ctx, home, s.ID)
			if OutcomeOf(err) == Retry {
				return err
			}
			if missing(err) {
				continue // it has been forgotten meanwhile
			}
			who := "run " + s.ID
			if s.Set != "" {
				who = "the set " + s.Set
			}
			if home != r.g.Namespace {
				who += " of namespace " + home
			}
			if err != nil { // what it has is not known
				r.note("%s has a record that cannot be read, so nothing is pruned that it may have: %v", who, err)
				who += ", whose record cannot be read, perhaps"
			}
			for _, l := range all {
				if err != nil || other.Has(l.Was.Ref) {
					has[l.Was.Ref] = who
				}
			}
		}
	}
	return nil
}

// counts tells whether what a run on record has must not be deleted by this one.
func (r *run) counts(home string, i int, all []record.Summary) bool {
	s := all[i]
	own := home == r.g.Namespace
	switch {
	case own && s.Set == r.g.Prune.Set, s.ID == r.report.Run.ID, s.ID == r.aim,
		slices.ContainsFunc(r.pruning.unfinished, func(u record.Record) bool { return u.ID == s.ID }):
		return false
	case !s.State.Ended():
		return true
	case s.Set != "":
		return record.LastOf(s.Set, all) == i
	}
	return s.State.Stays() && (!own || i < record.LastOf(r.g.Prune.Set, all))
}

// decidePrunes makes writes of what is deleted, and says what stays.
func (r *run) decidePrunes(decided []prune.Decision) []patch.Write {
	var prunes []patch.Write
	said := 0
	for _, d := range decided {
		if d.Why == "" {
			prunes = append(prunes, patch.Write{
				Ref: d.Was.Ref, Resource: d.Was.Resource, Action: patch.Pruned, Source: d.Was.Source, Manager: d.Was.Manager,
				Before: d.Live, Sent: d.Was.Sent, At: r.g.Store.Now(),
			})
			continue
		}
		if !d.Leaves {
			r.pruning.stay = append(r.pruning.stay, d.Was)
		}
		if said++; said <= maxStay {
			r.note("%s is not in the manifests any more and stays: %s", d.Was.Ref, d.Why)
		}
	}
	if said > maxStay {
		r.note("%d more objects are not in the manifests any more and stay", said-maxStay)
	}
	return prunes
}

// mayPrune refuses to begin what the account could not carry out, or not take back.
func (r *run) mayPrune(ctx context.Context, prunes []patch.Write) error {
	if len(prunes) == 0 {
		return nil
	}
	lacks := strings.Join(r.g.Cluster.LacksForPruning(ctx, prunes), ", ")
	if lacks == "" {
		return nil
	}
	what := "this account could not prune what is not in the manifests any more, and put it back: it cannot " + lacks
	if r.report.Run.Command == "plan" {
		r.note("%s; run would refuse to begin", what)
		return nil
	}
	return deniedError{errors.New(what + "\n  hint: grant it; the manifests of before, given to `rolloutgate rbac --prune`, say what is needed")}
}

// ParseProtected reads the name of a protected kind, as kubectl spells kinds.
func ParseProtected(name string) (string, error) {
	var known []string
	for _, gk := range prune.ProtectedKinds {
		if isNamed(gk, name) {
			return gk.Kind, nil
		}
		known = append(known, gk.Kind)
	}
	return "", fmt.Errorf("%q is no kind that is protected\n  hint: these are: %s; all others are pruned in any case", name, strings.Join(known, ", "))
}

// isNamed tells whether a word means a protected kind: PersistentVolumeClaim, persistentvolumeclaims, pvc.
func isNamed(gk schema.GroupKind, word string) bool {
	word, _, _ = strings.Cut(strings.ToLower(word), ".")
	kind := strings.ToLower(gk.Kind)
	short := map[string]string{"namespace": "ns", "persistentvolumeclaim": "pvc", "persistentvolume": "pv", "customresourcedefinition": "crd"}[kind]
	return slices.Contains([]string{kind, kind + "s", short, short + "s"}, word)
}
