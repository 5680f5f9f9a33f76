package cluster

import (
	"context"
	"slices"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// kept is what is known of where a record is.
type kept struct {
	in    shelf
	begun bool // its first part is there
	// others are the parts that the first one lists; loose are those that it does not, or not any more, and that may be
	// there all the same.
	others, loose []string
}

// putFirst writes the part without which there is no record. What is more likely is tried first, for a request costs time.
func (k *kept) putFirst(ctx context.Context, p part, isNew bool) error {
	if isNew {
		err := k.in.create(ctx, p)
		if !apierrors.IsAlreadyExists(err) {
			return err
		}
		k.begun = true // the answer to an earlier try was lost
	}
	err := k.in.update(ctx, p)
	if apierrors.IsNotFound(err) && !isNew {
		err = k.in.create(ctx, p)
	}
	return err
}

// put writes all parts, the first one last, so that it always lists parts that are there. Then it deletes those that are
// in use no more.
func (k *kept) put(ctx context.Context, parts []part, isNew bool) error {
	var others []string
	for _, p := range slices.Backward(parts[1:]) {
		others = append(others, p.Name)
		k.loose = append(k.loose, p.Name)
		if err := k.in.create(ctx, p); err != nil && !apierrors.IsAlreadyExists(err) { // its name says what is in it
			return err
		}
	}
	if err := k.putFirst(ctx, parts[0], isNew); err != nil {
		return err
	}
	slices.Reverse(others)
	k.loose = slices.Concat(k.loose, k.others)
	k.begun, k.others = true, others
	k.sweep(ctx, parts[0].Namespace)
	return nil
}

// sweep deletes loose parts. What cannot be deleted now is deleted with the record.
func (k *kept) sweep(ctx context.Context, namespace string) {
	slices.Sort(k.loose)
	k.loose = slices.DeleteFunc(slices.Compact(k.loose), func(name string) bool {
		if slices.Contains(k.others, name) {
			return true
		}
		err := k.in.delete(ctx, namespace, name)
		return err == nil || apierrors.IsNotFound(err)
	})
}

// remove deletes all parts. The first one goes first: the others mean nothing without it.
func (k *kept) remove(ctx context.Context, namespace, run string) error {
	for _, name := range slices.Concat([]string{keptName(run)}, k.others, k.loose) {
		if err := k.in.delete(ctx, namespace, name); err != nil && !apierrors.IsNotFound(err) {
			return err
		}
	}
	return nil
}

// shelved is what a client knows of the records that it has saved, loaded or listed.
type shelved struct {
	mu     sync.Mutex
	runs   map[inNamespace]kept
	strays map[inNamespace]kept // what is left of runs that were killed before their record was complete
	last   map[string]shelf     // by namespace: where a record was saved last
}

type inNamespace struct{ namespace, run string }

func (s *shelved) get(namespace, run string) (k kept, known bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k, known = s.runs[inNamespace{namespace, run}]
	return k, known
}

func (s *shelved) set(namespace, run string, k kept) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.runs == nil {
		s.runs = map[inNamespace]kept{}
	}
	s.runs[inNamespace{namespace, run}] = k
}

func (s *shelved) drop(namespace, run string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.runs, inNamespace{namespace, run})
}

// saved notes where a record was saved.
func (s *shelved) saved(namespace string, in shelf) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last == nil {
		s.last = map[string]shelf{}
	}
	s.last[namespace] = in
}

// savedIn is where a record of the namespace was saved last; nil when none was.
func (s *shelved) savedIn(namespace string) shelf {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last[namespace]
}

func (s *shelved) stray(namespace, run string, k kept) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.strays == nil {
		s.strays = map[inNamespace]kept{}
	}
	s.strays[inNamespace{namespace, run}] = k
}

// takeStrays returns the strays of a namespace by their runs, each once.
func (s *shelved) takeStrays(namespace string) map[string]kept {
	s.mu.Lock()
	defer s.mu.Unlock()
	taken := map[string]kept{}
	for at, k := range s.strays {
		if at.namespace == namespace {
			taken[at.run] = k
			delete(s.strays, at)
		}
	}
	return taken
}
