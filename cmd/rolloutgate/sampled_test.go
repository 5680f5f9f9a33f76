//go:build cluster || realnode

package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

const (
	sampleEvery = 100 * time.Millisecond
	// aDay is longer than any Deployment here waits by itself until a pod counts as available.
	aDay = 24 * 60 * 60
)

// sample is what there is of a workload's pods at one moment. Pods that are being deleted do not count.
type sample struct {
	At        time.Time
	Wants     int // pods altogether
	Most      int // new pods that its fields let its controller make now
	New, Old  int
	Ready     int
	NewReady  int
	partition bool // new pods replace old ones, and do not come beside them
}

// limited tells whether some pods are to stay old.
func (s sample) limited() bool { return s.partition && s.Most < s.Wants || !s.partition && s.Most > 0 }

// wrong says what a user could object to; empty: nothing. came: the stage has had all of its new pods already.
func (s sample) wrong(came bool) string {
	switch least := s.Wants; {
	case !s.limited():
		return ""
	case s.New > s.Most:
		return fmt.Sprintf("%d new pods, and %d are allowed", s.New, s.Most)
	case came && s.NewReady != s.Most:
		return fmt.Sprintf("%d of %d new pods are ready, and all of them were before", s.NewReady, s.Most)
	case s.partition && s.Ready < least-1:
		return fmt.Sprintf("%d of %d pods are ready", s.Ready, s.Wants)
	case !s.partition && s.Ready-s.NewReady != least:
		return fmt.Sprintf("%d old pods are ready, and there were %d", s.Ready-s.NewReady, s.Wants)
	}
	return ""
}

// span is a time in which the same number of new pods was allowed, and some had to stay old.
type span struct {
	most    int
	begin   time.Time
	held    time.Duration // since all new ones were there
	samples int
	wrong   []string
}

// spans are those of samples, in the order of time.
func spans(all []sample) []span {
	var out []span
	var came time.Time
	open := false
	for _, s := range all {
		if !s.limited() {
			open = false
			continue
		}
		if !open || out[len(out)-1].most != s.Most {
			out, came, open = append(out, span{most: s.Most, begin: s.At}), time.Time{}, true
		}
		last := &out[len(out)-1]
		last.samples++
		if wrong := s.wrong(!came.IsZero()); wrong != "" {
			last.wrong = append(last.wrong, fmt.Sprintf("after %s: %s", s.At.Sub(last.begin).Round(time.Millisecond), wrong))
		}
		if came.IsZero() && s.NewReady == s.Most {
			came = s.At
		}
		if !came.IsZero() {
			last.held = s.At.Sub(came)
		}
	}
	return out
}

// sampling looks at the pods of a workload again and again until it is stopped.
type sampling struct {
	stop context.CancelFunc
	done chan struct{}
	got  []sample
	err  error
}

// sampleOf begins. New are the pods whose label version is this one.
func sampleOf(kubeconfig, namespace, kind, name, version string) (*sampling, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, err
	}
	config.QPS, config.Burst = 100, 100
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &sampling{stop: cancel, done: make(chan struct{})}
	go func() {
		defer close(s.done)
		for ctx.Err() == nil {
			one, ok, err := sampleOnce(ctx, client, namespace, kind, name, version)
			if err != nil && ctx.Err() == nil {
				s.err = err
				return
			}
			if ok {
				s.got = append(s.got, one)
			}
			select {
			case <-ctx.Done():
			case <-time.After(sampleEvery):
			}
		}
	}()
	return s, nil
}

// sampleOnce is not ok when the workload was written while its pods were read: nobody knows then what was allowed.
func sampleOnce(ctx context.Context, client kubernetes.Interface, namespace, kind, name, version string) (sample, bool, error) {
	s, selector, generation, err := allowed(ctx, client, namespace, kind, name)
	if err != nil {
		return s, false, err
	}
	pods, err := client.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		return s, false, err
	}
	_, _, still, err := allowed(ctx, client, namespace, kind, name)
	for _, p := range pods.Items {
		if p.DeletionTimestamp != nil {
			continue
		}
		isNew, ready := p.Labels["version"] == version, podReady(p)
		switch {
		case isNew:
			s.New++
		default:
			s.Old++
		}
		if ready {
			s.Ready++
		}
		if ready && isNew {
			s.NewReady++
		}
	}
	return s, still == generation, err
}

func podReady(p corev1.Pod) bool {
	return slices.ContainsFunc(p.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

// allowed reads from a workload how many pods it wants, and how many new ones it may have.
func allowed(ctx context.Context, client kubernetes.Interface, namespace, kind, name string) (s sample, selector string, generation int64, err error) {
	s.At = time.Now()
	switch kind {
	case "deployment":
		o, err := client.AppsV1().Deployments(namespace).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return s, "", 0, err
		}
		s.Wants = int(*o.Spec.Replicas)
		if o.Spec.MinReadySeconds >= aDay {
			s.Most = o.Spec.Strategy.RollingUpdate.MaxSurge.IntValue()
		}
		return s, metav1.FormatLabelSelector(o.Spec.Selector), o.Generation, nil
	case "statefulset":
		o, err := client.AppsV1().StatefulSets(namespace).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return s, "", 0, err
		}
		s.Wants, s.partition = int(*o.Spec.Replicas), true
		s.Most = s.Wants - int(*o.Spec.UpdateStrategy.RollingUpdate.Partition)
		return s, metav1.FormatLabelSelector(o.Spec.Selector), o.Generation, nil
	}
	return s, "", 0, fmt.Errorf("%s is no kind of which pods are sampled", kind)
}

// sampleCommands are `sample KIND/NAME VERSION`, which begins to count the pods of that version and the others, and
// `sampled KIND/NAME most=N,… held=DURATION`, which ends that and compares: how many new pods were allowed, one stage
// after the other, that there were never more of them nor fewer once they had come, that no old pod was missed, and that
// each stage went on for so long with all of its new pods.
func sampleCommands() map[string]func(*testscript.TestScript, bool, []string) {
	type key struct{ dir, workload string }
	var running sync.Map // of key and *sampling
	return map[string]func(*testscript.TestScript, bool, []string){
		"sample": func(ts *testscript.TestScript, neg bool, args []string) {
			if neg || len(args) != 2 {
				ts.Fatalf("usage: sample KIND/NAME VERSION")
			}
			kind, name, _ := strings.Cut(args[0], "/")
			s, err := sampleOf(ts.Getenv("KUBECONFIG"), ts.Getenv("NAMESPACE"), kind, name, args[1])
			ts.Check(err)
			ts.Defer(s.stop)
			running.Store(key{ts.Getenv("WORK"), args[0]}, s)
		},
		"sampled": func(ts *testscript.TestScript, neg bool, args []string) {
			if neg || len(args) != 3 {
				ts.Fatalf("usage: sampled KIND/NAME most=N,… held=DURATION")
			}
			s, ok := running.LoadAndDelete(key{ts.Getenv("WORK"), args[0]})
			if !ok {
				ts.Fatalf("nobody samples %s", args[0])
			}
			ts.Check(s.(*sampling).check(ts, args[1:]))
		},
	}
}

func (s *sampling) check(ts *testscript.TestScript, wants []string) error {
	s.stop()
	<-s.done
	if s.err != nil {
		return s.err
	}
	held, err := time.ParseDuration(strings.TrimPrefix(wants[1], "held="))
	if err != nil {
		return err
	}
	var most []string
	var wrong []error
	for _, one := range spans(s.got) {
		ts.Logf("at most %d new pods: %d samples, all there for %s", one.most, one.samples, one.held.Round(time.Millisecond))
		most = append(most, strconv.Itoa(one.most))
		for _, text := range one.wrong {
			wrong = append(wrong, fmt.Errorf("at most %d new pods, %s", one.most, text))
		}
		if one.held < held {
			wrong = append(wrong, fmt.Errorf("%d new pods were there for %s, and not for %s", one.most, one.held, held))
		}
	}
	if got := "most=" + strings.Join(most, ","); got != wants[0] {
		wrong = append(wrong, fmt.Errorf("it was %s and not %s", got, wants[0]))
	}
	return errors.Join(wrong...)
}

func TestSpans(t *testing.T) {
	noon := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	at := func(second, most, isNew, newReady, oldReady int) sample {
		return sample{At: noon.Add(time.Duration(second) * time.Second), Wants: 4, Most: most, New: isNew, NewReady: newReady, Old: 4, Ready: newReady + oldReady}
	}
	got := spans([]sample{
		at(0, 0, 0, 0, 4),
		at(1, 1, 0, 0, 4), at(2, 1, 1, 0, 4), at(3, 1, 1, 1, 4), at(5, 1, 1, 1, 4),
		at(6, 2, 1, 1, 4), at(7, 2, 3, 2, 4), at(8, 2, 2, 2, 3), at(9, 2, 1, 1, 4),
		at(10, 0, 4, 3, 1), // all may be new
	})
	var is []string
	for _, one := range got {
		is = append(is, fmt.Sprint(one.most, one.begin.Second(), one.held, one.samples, one.wrong))
	}
	want := []string{
		"1 1 2s 4 []",
		"2 6 2s 4 [after 1s: 3 new pods, and 2 are allowed after 2s: 3 old pods are ready, and there were 4 after 3s: 1 of 2 new pods are ready, and all of them were before]",
	}
	if !slices.Equal(is, want) {
		t.Errorf("%q\nand not\n%q", is, want)
	}
	db := sample{Wants: 4, Most: 1, New: 1, Ready: 2, partition: true}
	if got := db.wrong(false); got != "2 of 4 pods are ready" {
		t.Errorf("a StatefulSet: %q", got)
	}
}
