package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

// script is the world around a rollout: what a kubelet, a cloud or a colleague does.
type script struct {
	Setup     []action  `json:"setup"`     // before the run, one after the other
	Actions   []action  `json:"actions"`   // from the moment that the workload was applied
	Meanwhile []action  `json:"meanwhile"` // of a world that moves: from the start of rolloutgate, and all of it before its end
	Always    []check   `json:"always"`    // holds in every state that an object has while rolloutgate runs
	Checks    []check   `json:"checks"`    // hold in the end
	Pods      []podStep `json:"pods"`      // the life of every pod with the behaviour "scripted", from its scheduling on
}

// action is one thing to do; exactly one field is set.
type action struct {
	Wait    duration `json:"wait"`
	Kubectl []string `json:"kubectl"`
	Apply   string   `json:"apply"`
	Event   *event   `json:"event"`
	Until   *check   `json:"until"`   // waits until it holds
	Signal  string   `json:"signal"`  // to rolloutgate
	MayFail bool     `json:"mayFail"` // it need not succeed, and the run may be over before it
}

// event is one Event as its reporter would write it. Messages may name $POD, $NAMESPACE, $UID, $CONTAINER, $IMAGE and
// $NODE.
type event struct {
	Type      string   `json:"type"` // default Warning
	Reason    string   `json:"reason"`
	Message   string   `json:"message"`
	On        string   `json:"on"`        // pod, replicaset, workload, or KIND/NAME; default pod: all new ones
	Container string   `json:"container"` // the default suits kubelet's reasons
	From      string   `json:"from"`      // default kubelet
	Times     int      `json:"times"`     // default 1
	Every     duration `json:"every"`     // between two of these; default 10s
}

// podStep is one change of a pod's status, and what is reported with it.
type podStep struct {
	After         duration        `json:"after"`         // the step before
	Container     string          `json:"container"`     // default: the first
	InitContainer string          `json:"initContainer"` // instead of a container
	Waiting       json.RawMessage `json:"waiting"`       // its state; with terminated: that it waits to be restarted after that
	Running       bool            `json:"running"`
	Ready         bool            `json:"ready"` // runs and is ready
	Terminated    *terminated     `json:"terminated"`
	Status        json.RawMessage `json:"status"` // merged into the pod's status as it is; Failed and Succeeded end its life
	Only          int             `json:"only"`   // so many pods, the first to come, take this step
	Events        []event         `json:"events"`
	Logs          string          `json:"logs"`  // of the container, now and of its previous run
	Pull          *pull           `json:"pull"`  // instead of all these: pulls that fail
	Crash         *crash          `json:"crash"` // or a crash loop
	Repeat        int             `json:"repeat"`
}

// terminated is how a container ended.
type terminated struct {
	ExitCode int32  `json:"exitCode"`
	Reason   string `json:"reason"`
	Message  string `json:"message"`
	Signal   int32  `json:"signal"`
}

// crash is a container that starts and ends until nobody wants to see more, with a kubelet's back-off.
type crash struct {
	terminated
	Runs   duration `json:"runs"`   // how long each time; default 2s
	Ready  bool     `json:"ready"`  // is ready while it runs
	Events []event  `json:"events"` // at each end
	Times  int      `json:"times"`  // default: for ever; then it runs and is ready
}

// pull is an image that cannot be pulled, tried again with a kubelet's back-off.
type pull struct {
	Error  string `json:"error"`  // of the runtime
	Reason string `json:"reason"` // default ErrImagePull
	Times  int    `json:"times"`  // default: for ever; then the container runs and is ready
}

// backOffs of a kubelet between two attempts; the first restart of a container comes at once.
var backOffs = []string{"10s", "20s", "40s", "1m20s", "2m40s", "5m0s"}

func (s *script) check(moves bool) error {
	if moves != (len(s.Checks)+len(s.Always) > 0) || !moves && len(s.Meanwhile) > 0 {
		return errors.New("meanwhile, always and checks belong to a case with exits, which has checks")
	}
	for _, c := range slices.Concat(s.Always, s.Checks) {
		if err := c.check(); err != nil {
			return err
		}
	}
	for _, a := range slices.Concat(s.Setup, s.Actions, s.Meanwhile) {
		if err := a.check(); err != nil {
			return err
		}
	}
	var pods []podStep
	for i, p := range s.Pods {
		if p.Repeat < 0 || p.Repeat > i {
			return fmt.Errorf("step %d of pods repeats from step %d, which is not before it", i+1, p.Repeat)
		}
		if p.Crash != nil || p.Pull != nil {
			if i != len(s.Pods)-1 {
				return errors.New("a crash or a pull of pods is not its last step")
			}
			pods = append(pods, p.spellOut()...)
			continue
		}
		for _, e := range p.Events {
			if err := e.check(); err != nil {
				return err
			}
		}
		pods = append(pods, p)
	}
	s.Pods = pods
	return nil
}

func (a action) check() error {
	kinds := 0
	for _, set := range []bool{a.Wait > 0, len(a.Kubectl) > 0, a.Apply != "", a.Event != nil, a.Until != nil, a.Signal != ""} {
		if set {
			kinds++
		}
	}
	if kinds != 1 {
		return errors.New("an action is exactly one of wait, kubectl, apply, event, until and signal")
	}
	switch {
	case a.Event != nil:
		return a.Event.check()
	case a.Until != nil:
		return a.Until.check()
	case a.Signal != "" && signals[a.Signal] == 0:
		return fmt.Errorf("there is no signal %q", a.Signal)
	}
	return nil
}

func (e event) check() error {
	if e.Reason == "" || e.Message == "" {
		return errors.New("an event needs a reason and a message")
	}
	return nil
}

func (p podStep) spellOut() []podStep {
	if p.Pull != nil {
		return p.pulls()
	}
	return p.crashes()
}

// pulls spells out what a kubelet tells of an image that cannot be pulled.
func (p podStep) pulls() []podStep {
	reason := cmp.Or(p.Pull.Reason, "ErrImagePull")
	waiting := func(after time.Duration, reason, message string, events ...event) podStep {
		return podStep{After: duration(after), Container: p.Container, InitContainer: p.InitContainer,
			Waiting: raw(map[string]string{"reason": reason, "message": message}), Events: events}
	}
	var steps []podStep
	after := time.Duration(p.After) + time.Second
	for i := range cmp.Or(p.Pull.Times, len(backOffs)) {
		steps = append(steps,
			waiting(after, reason, p.Pull.Error,
				event{Type: "Normal", Reason: "Pulling", Message: `Pulling image "$IMAGE"`},
				event{Reason: "Failed", Message: `Failed to pull image "$IMAGE": ` + p.Pull.Error},
				event{Reason: "Failed", Message: "Error: " + reason}),
			waiting(2*time.Second, "ImagePullBackOff", `Back-off pulling image "$IMAGE": `+reason+": "+p.Pull.Error,
				event{Type: "Normal", Reason: "BackOff", Message: `Back-off pulling image "$IMAGE"`},
				event{Reason: "Failed", Message: "Error: ImagePullBackOff"}))
		after = backOff(i)
	}
	if p.Pull.Times > 0 {
		steps = append(steps, podStep{After: duration(after), Container: p.Container, InitContainer: p.InitContainer, Ready: true})
	}
	return steps
}

func backOff(i int) time.Duration {
	d, _ := time.ParseDuration(backOffs[min(i, len(backOffs)-1)])
	return d
}

// crashes spells a crash loop out.
func (p podStep) crashes() []podStep {
	c := *p.Crash
	if c.Runs == 0 {
		c.Runs = duration(2 * time.Second)
	}
	if c.Reason == "" {
		c.Reason = "Error"
	}
	step := func(after duration) podStep {
		return podStep{After: after, Container: p.Container, InitContainer: p.InitContainer}
	}
	start := func(after time.Duration) podStep {
		s := step(duration(after))
		s.Running, s.Ready = !c.Ready, c.Ready
		return s
	}
	ends := c.Times
	if ends == 0 {
		ends = len(backOffs)
	}
	first := start(time.Duration(p.After) + time.Second)
	first.Logs = p.Logs
	steps := []podStep{first}
	for i := range ends {
		end := step(c.Runs)
		end.Terminated, end.Events = &c.terminated, c.Events
		wait := time.Second
		if i > 0 {
			pause := backOffs[min(i-1, len(backOffs)-1)]
			wait = backOff(i - 1)
			end.Waiting = raw(map[string]string{"reason": "CrashLoopBackOff",
				"message": "back-off " + pause + " restarting failed container=$CONTAINER pod=$POD_$NAMESPACE($UID)"})
			end.Events = append(end.Events[:len(end.Events):len(end.Events)], event{Reason: "BackOff",
				Message: "Back-off restarting failed container $CONTAINER in pod $POD_$NAMESPACE($UID)"})
		}
		again := start(wait)
		if c.Times > 0 && i == ends-1 {
			again.Running, again.Ready = true, false
			well := step(duration(time.Second))
			well.Ready = true
			steps = append(steps, end, again, well)
			break
		}
		steps = append(steps, end, again)
	}
	return steps
}

func raw(value any) json.RawMessage {
	text, _ := json.Marshal(value) // of strings and maps of them: cannot fail
	return text
}
