package record

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/rolloutgate/rolloutgate/gate/patch"
)

// schema is the version of the form in which records are written. All versions up to it can be read.
const schema = 1

const (
	// PartSize is how many bytes one part of a record has at most: etcd takes 1.5 MB a request, an API server 1 MiB in a
	// Secret or ConfigMap.
	PartSize = 900_000
	// largest is how many bytes a record may have when it is unpacked. One with more was not written by us.
	largest = 256 << 20
)

// A FormatError is a record that cannot be read. Nothing may be done by it.
type FormatError struct{ Why string }

func (e *FormatError) Error() string { return "reading the record of a run: " + e.Why }

// A MissingError is a run that is not on record.
type MissingError struct{ Run string }

func (e *MissingError) Error() string { return "run " + e.Run + " is not on record" }

// Encode packs a record into parts of at most so many bytes; see [PartSize].
func (r Record) Encode(partSize int) ([][]byte, error) {
	r.Schema = schema
	var packed bytes.Buffer
	zip := gzip.NewWriter(&packed)
	if err := errors.Join(json.NewEncoder(zip).Encode(r), zip.Close()); err != nil {
		return nil, fmt.Errorf("packing the record of run %s: %w", r.ID, err)
	}
	var parts [][]byte
	for rest := packed.Bytes(); ; {
		n := min(len(rest), partSize)
		parts = append(parts, rest[:n:n])
		if rest = rest[n:]; len(rest) == 0 {
			return parts, nil
		}
	}
}

// Decode reads a record from all of its parts, in their order. The error is a *FormatError.
func Decode(parts [][]byte) (Record, error) {
	zip, err := gzip.NewReader(bytes.NewReader(bytes.Join(parts, nil)))
	if err != nil {
		return Record{}, &FormatError{err.Error()}
	}
	data, err := io.ReadAll(io.LimitReader(zip, largest+1))
	switch {
	case err != nil:
		return Record{}, &FormatError{err.Error()}
	case len(data) > largest:
		return Record{}, &FormatError{fmt.Sprintf("it is larger than %d MB", largest>>20)}
	}
	return decodeJSON(data)
}

func decodeJSON(data []byte) (Record, error) {
	var version struct {
		Schema int `json:"schemaVersion"`
	}
	if err := json.Unmarshal(data, &version); err != nil {
		return Record{}, &FormatError{err.Error()}
	}
	switch {
	case version.Schema > schema:
		return Record{}, &FormatError{fmt.Sprintf("its form has the version %d, and this program knows %d: a newer rolloutgate has written it", version.Schema, schema)}
	case version.Schema < 1:
		return Record{}, &FormatError{"it has no schemaVersion"}
	}
	var r Record
	if err := json.Unmarshal(data, &r); err != nil {
		return Record{}, &FormatError{err.Error()}
	}
	return r, r.check()
}

// check refuses a record by which nothing sensible could be done.
func (r Record) check() error {
	switch {
	case r.ID == "":
		return &FormatError{"it does not say of which run it is"}
	case r.State == "":
		return &FormatError{"it does not say how far the run is"}
	}
	for _, w := range r.Writes() {
		if err := checkWrite(w, r.WithoutSecrets); err != nil {
			return err
		}
	}
	return nil
}

func checkWrite(w patch.Write, withoutSecrets bool) error {
	switch {
	case w.Ref.Kind == "" || w.Ref.Name == "":
		return &FormatError{"one of its writes does not say to which object"}
	case w.Manager == "":
		return &FormatError{fmt.Sprintf("the write of %s does not say by which field manager", w.Ref)}
	case w.Action != patch.Created && w.Action != patch.Configured && w.Action != patch.Unchanged && w.Action != patch.Pruned && !(w.Command && w.Action == patch.Removed):
		return &FormatError{fmt.Sprintf("the write of %s is %q, which means nothing", w.Ref, w.Action)}
	case (w.Action == patch.Configured || w.Action == patch.Pruned || w.Action == patch.Removed) && w.Before == nil && !(withoutSecrets && w.Ref.Kind == "Secret"):
		return &FormatError{fmt.Sprintf("the write of %s changes an object, and does not say how it was before", w.Ref)}
	}
	return nil
}
