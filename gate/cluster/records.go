package cluster

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rolloutgate/rolloutgate/gate/record"
)

const (
	// recordType is the type of the Secrets that hold records.
	recordType = corev1.SecretType("rolloutgate.dev/run")
	// recordSummary is the annotation with the record.Summary, so that a list of runs reads no content.
	recordSummary = "rolloutgate.dev/summary"
	recordLabel   = "rolloutgate.dev/record" // on every part; its value is the number of the part, from 0
	// recordParts is the annotation of the first part that lists the others, by the ends of their names.
	recordParts = "rolloutgate.dev/parts"
	recordKey   = "run.json.gz"
	// strayTime is how old a part without its first one is when nobody is about to write that any more.
	strayTime = time.Hour
)

// SaveRecord writes a record into the namespace of its run, as one Secret, or as several where it is too large for one.
// An account that may not use Secrets writes ConfigMaps, as long as nothing of a Secret is on record. The first part is
// written last: whoever is killed in between leaves the record as it was before.
func (c *Client) SaveRecord(ctx context.Context, r record.Record) error {
	parts, err := partsOf(r, c.partSize)
	if err != nil {
		return &localError{err}
	}
	was, known := c.kept.get(r.Namespace, r.ID)
	k, moves := was, known && was.in != shelf(secrets{c}) && r.HasSecrets()
	if !known || moves {
		k = kept{in: secrets{c}}
	}
	isNew := r.State == record.Running && !k.begun
	err = k.put(ctx, parts, isNew)
	if apierrors.IsForbidden(err) && isNew && !k.begun {
		k.sweep(ctx, r.Namespace)
		if other := (kept{in: configMaps{c}}); k.in == shelf(secrets{c}) && !r.HasSecrets() {
			if otherErr := other.put(ctx, parts, isNew); !apierrors.IsForbidden(otherErr) {
				k, err = other, otherErr
			}
		}
	}
	if moves && err == nil {
		err = was.remove(ctx, r.Namespace, r.ID)
	}
	if !moves || err == nil {
		c.kept.set(r.Namespace, r.ID, k)
	}
	if err != nil {
		return fmt.Errorf("putting run %s on record: %w", r.ID, err)
	}
	c.kept.saved(r.Namespace, k.in)
	return nil
}

// partsOf cuts a record into objects. All but the first are named by what is in them, so that those of another version of
// the record are others.
func partsOf(r record.Record, partSize int) ([]part, error) {
	packed, err := r.Encode(partSize)
	if err != nil {
		return nil, err
	}
	summary, err := json.Marshal(r.Summary())
	if err != nil {
		return nil, fmt.Errorf("encoding the summary of run %s: %w", r.ID, err)
	}
	var parts []part
	var ends []string
	for n, data := range packed {
		name := keptName(r.ID)
		if n > 0 {
			ends = append(ends, fmt.Sprintf("%x", sha256.Sum256(data))[:20])
			name += "-" + ends[n-1]
		}
		parts = append(parts, part{data: data, ObjectMeta: metav1.ObjectMeta{
			Name: name, Namespace: r.Namespace,
			Labels: map[string]string{managedBy: "rolloutgate", runLabel: r.ID, recordLabel: strconv.Itoa(n)},
		}})
	}
	parts[0].Annotations = map[string]string{recordSummary: string(summary)}
	if len(ends) > 0 {
		parts[0].Annotations[recordParts] = strings.Join(ends, ",")
	}
	return parts, nil
}

// otherParts are the names of the other parts by the annotations of the first one. Whatever these say, they are names of
// parts of this run.
func otherParts(run string, annotations map[string]string) []string {
	if annotations[recordParts] == "" {
		return nil
	}
	var names []string
	for end := range strings.SplitSeq(annotations[recordParts], ",") {
		names = append(names, keptName(run)+"-"+end)
	}
	return names
}

// LoadRecord reads the record of a run. A record that cannot be read is a *record.FormatError.
func (c *Client) LoadRecord(ctx context.Context, namespace, run string) (record.Record, error) {
	r, err := c.loadFrom(ctx, secrets{c}, namespace, run)
	if !missing(err) && !apierrors.IsForbidden(err) {
		return r, err
	}
	other, otherErr := c.loadFrom(ctx, configMaps{c}, namespace, run)
	switch {
	case missing(otherErr), apierrors.IsForbidden(otherErr):
		return r, err
	case otherErr == nil && other.HasSecrets():
		return record.Record{}, &record.FormatError{Why: fmt.Sprintf("configmap %s has the data of a Secret, which rolloutgate does not keep there", keptName(run))}
	}
	return other, otherErr
}

func missing(err error) bool {
	var m *record.MissingError
	return errors.As(err, &m)
}

func (c *Client) loadFrom(ctx context.Context, in shelf, namespace, run string) (record.Record, error) {
	packed, others, err := readParts(ctx, in, namespace, run)
	if err != nil {
		return record.Record{}, err
	}
	c.kept.set(namespace, run, kept{in: in, begun: true, others: others})
	r, err := record.Decode(packed)
	if err == nil && r.ID != run {
		err = &record.FormatError{Why: fmt.Sprintf("%s has the record of run %s", keptName(run), r.ID)}
	}
	return r, err
}

// readParts reads all parts of a record, and names those behind the first. When one of these is gone because another
// process has written the record meanwhile, it reads the new one.
func readParts(ctx context.Context, in shelf, namespace, run string) (packed [][]byte, others []string, err error) {
	for try := 0; ; try++ {
		first, err := in.get(ctx, namespace, keptName(run))
		if apierrors.IsNotFound(err) {
			return nil, nil, &record.MissingError{Run: run}
		}
		if err != nil {
			return nil, nil, unreadable(run, err)
		}
		before := others
		packed, others = [][]byte{first.data}, otherParts(run, first.Annotations)
		for _, name := range others {
			var p part
			if p, err = in.get(ctx, namespace, name); err != nil {
				break
			}
			packed = append(packed, p.data)
		}
		switch {
		case err == nil:
			return packed, others, nil
		case !apierrors.IsNotFound(err):
			return nil, nil, unreadable(run, err)
		case try > 0 && slices.Equal(before, others):
			return nil, nil, &record.FormatError{Why: fmt.Sprintf("a part of that of run %s is missing: %v", run, err)}
		}
	}
}

func unreadable(run string, err error) error {
	var f *record.FormatError
	if errors.As(err, &f) {
		return err
	}
	return fmt.Errorf("reading the record of run %s: %w", run, err)
}

// Records lists the runs on record in a namespace, the newest first. No content is read. Whoever has saved a run there
// gets those that are kept in the same kind of object.
func (c *Client) Records(ctx context.Context, namespace string) ([]record.Summary, error) {
	in := []shelf{secrets{c}, configMaps{c}}
	if saved := c.kept.savedIn(namespace); saved != nil {
		in = []shelf{saved}
	}
	found, err := c.list(ctx, in, namespace, "")
	if err != nil {
		return nil, fmt.Errorf("listing the runs on record in %s: %w", namespace, err)
	}
	var all []record.Summary
	for run, f := range found {
		switch {
		case f.begun:
			c.kept.set(namespace, run, f.kept)
			if f.summary.ID == run {
				all = append(all, f.summary)
			}
		case c.Now().Sub(f.newest) > strayTime:
			c.kept.stray(namespace, run, f.kept)
		}
	}
	slices.SortFunc(all, record.Newest)
	return all, nil
}

// found is what a list shows of a record.
type found struct {
	kept
	summary record.Summary
	newest  time.Time // when its newest part was made
}

// list finds all parts of records, of one run or of all, by their runs. Where the first kind of object may not be listed,
// it is an error that none are found in another one: they may be there.
func (c *Client) list(ctx context.Context, in []shelf, namespace, run string) (map[string]found, error) {
	selector := ours + "," + recordLabel
	if run != "" {
		selector += "," + runLabel + "=" + run
	}
	all := map[string]found{}
	var denied error
	for n, s := range in {
		list, err := c.names.Resource(s.resource()).Namespace(namespace).List(ctx, metav1.ListOptions{LabelSelector: selector})
		switch {
		case apierrors.IsForbidden(err):
			if n == 0 {
				denied = err
			}
		case err != nil:
			return nil, err
		default:
			for run, f := range sortParts(s, list.Items) {
				if _, known := all[run]; !known {
					all[run] = f
				}
			}
		}
	}
	if len(all) == 0 {
		return nil, denied
	}
	return all, nil
}

// sortParts tells which parts belong together. What has not the name of a part of its run is none.
func sortParts(in shelf, items []metav1.PartialObjectMetadata) map[string]found {
	all := map[string]found{}
	for _, o := range items {
		run := o.Labels[runLabel]
		f := all[run]
		f.in = in
		switch {
		case o.Name == keptName(run):
			_ = json.Unmarshal([]byte(o.Annotations[recordSummary]), &f.summary) // one that cannot be read names no run
			f.begun, f.others = true, otherParts(run, o.Annotations)
		case strings.HasPrefix(o.Name, keptName(run)+"-"):
			f.loose = append(f.loose, o.Name)
		default:
			continue
		}
		if o.CreationTimestamp.After(f.newest) {
			f.newest = o.CreationTimestamp.Time
		}
		all[run] = f
	}
	for run, f := range all {
		f.loose = slices.DeleteFunc(f.loose, func(name string) bool { return slices.Contains(f.others, name) })
		all[run] = f
	}
	return all
}

// ForgetRecord deletes the record of a run, with all of its parts, and what Records has found of runs that were killed
// before their record was complete.
func (c *Client) ForgetRecord(ctx context.Context, namespace string, s record.Summary) error {
	k, known := c.kept.get(namespace, s.ID)
	if !known {
		all, err := c.list(ctx, []shelf{secrets{c}, configMaps{c}}, namespace, s.ID)
		if err != nil {
			return fmt.Errorf("looking for the record of run %s: %w", s.ID, err)
		}
		k = all[s.ID].kept
	}
	all := c.kept.takeStrays(namespace)
	if k.in != nil {
		all[s.ID] = k
	}
	for run, k := range all {
		if err := k.remove(ctx, namespace, run); err != nil {
			return fmt.Errorf("deleting the record of run %s: %w", run, err)
		}
		c.kept.drop(namespace, run)
	}
	return nil
}
