// Package eventlog keeps the events of a run in a file, for tests that show them again.
//
// Takes and returns: events. Never: judges them.
package eventlog

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"

	"github.com/rolloutgate/rolloutgate/gate"
)

// kept is an event with its payload and the name of its type.
type kept struct {
	gate.Event
	Kind  string          `json:"kind"`
	Value json.RawMessage `json:"value"`
}

// payloads are all types of payloads, by their names.
func payloads() map[string]reflect.Type {
	types := map[string]reflect.Type{}
	for _, p := range []gate.Payload{
		gate.Step{}, gate.Planned{}, gate.Applied{}, gate.Replaced{}, gate.Status{}, gate.Waiting{}, gate.Warning{}, gate.Foreign{},
		gate.Trouble{}, gate.Source{}, gate.Before{}, gate.Measured{}, gate.Judged{}, gate.Taken{}, gate.Freed{}, gate.KeptPod{}, gate.Queued{},
		gate.Adopted{}, gate.Asked{}, gate.Decided{}, gate.Said{}, gate.Tested{}, gate.Printed{}, gate.Ran{},
		gate.Started{}, gate.Finished{},
	} {
		types[reflect.TypeOf(p).Name()] = reflect.TypeOf(p)
	}
	return types
}

// Write keeps events, one a line.
func Write(path string, events []gate.Event) error {
	var out []byte
	for _, e := range events {
		value, err := json.Marshal(e.Payload)
		if err != nil {
			return fmt.Errorf("keeping events: %w", err)
		}
		line, err := json.Marshal(kept{Event: e, Kind: reflect.TypeOf(e.Payload).Name(), Value: value})
		if err != nil {
			return fmt.Errorf("keeping events: %w", err)
		}
		out = append(append(out, line...), '\n')
	}
	return os.WriteFile(path, out, 0o644)
}

// Read returns the events of a file.
func Read(path string) ([]gate.Event, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	types := payloads()
	var events []gate.Event
	for decoder := json.NewDecoder(f); decoder.More(); {
		var k kept
		if err := decoder.Decode(&k); err != nil {
			return nil, fmt.Errorf("reading events of %s: %w", path, err)
		}
		t, known := types[k.Kind]
		if !known {
			return nil, fmt.Errorf("reading events of %s: there is no payload %q", path, k.Kind)
		}
		value := reflect.New(t)
		if err := json.Unmarshal(k.Value, value.Interface()); err != nil {
			return nil, fmt.Errorf("reading events of %s: %w", path, err)
		}
		k.Payload = value.Elem().Interface().(gate.Payload)
		events = append(events, k.Event)
	}
	return events, nil
}
