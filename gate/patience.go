package gate

import (
	"errors"
	"fmt"
	"maps"

	"github.com/rolloutgate/rolloutgate/gate/diagnosis"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// Annotations of a workload that tune early verdicts for it alone, in the words of --grace and --no-fail-fast. They
// win over the flags: who wrote them knew this workload.
const (
	GraceAnnotation      = "rolloutgate.dev/grace"
	NoFailFastAnnotation = "rolloutgate.dev/no-fail-fast"
)

// patience reads the annotations of an object on top of what was asked for the whole run.
func patience(base diagnosis.Patience, annotations map[string]string) (diagnosis.Patience, error) {
	own, err := diagnosis.ParsePatience(annotations[GraceAnnotation], annotations[NoFailFastAnnotation])
	if err != nil {
		return base, err
	}
	if len(own.Grace)+len(own.NoFailFast) == 0 {
		return base, nil
	}
	p := diagnosis.Patience{Grace: maps.Clone(base.Grace), NoFailFast: maps.Clone(base.NoFailFast)}
	if p.Grace == nil {
		p.Grace = own.Grace
	}
	if p.NoFailFast == nil {
		p.NoFailFast = own.NoFailFast
	}
	p.GraceBy = map[string]string{}
	for code := range own.Grace {
		p.GraceBy[code] = "the annotation " + GraceAnnotation
	}
	maps.Copy(p.Grace, own.Grace)
	maps.Copy(p.NoFailFast, own.NoFailFast)
	return p, nil
}

// patienceFor is the patience with one target. Annotations of this run's manifests were checked before; those that
// somebody else wrote wrongly are noted and left alone.
func (r *run) patienceFor(t rollout.Target) diagnosis.Patience {
	if t.Applied == nil {
		return r.g.Patience
	}
	p, err := patience(r.g.Patience, t.Applied.GetAnnotations())
	if err != nil {
		r.note("%s: %v", t.Ref, err)
	}
	return p
}

// checkTuning finds annotations that say nothing, before anything is changed.
func checkTuning(objects []manifest.Object) error {
	var errs []error
	for _, o := range objects {
		if _, err := patience(diagnosis.Patience{}, o.GetAnnotations()); err != nil {
			key := GraceAnnotation
			if _, wrong := diagnosis.ParsePatience(o.GetAnnotations()[GraceAnnotation], ""); wrong == nil {
				key = NoFailFastAnnotation
			}
			line, _ := o.Locate("metadata.annotations[" + key + "]")
			errs = append(errs, &manifest.Error{Path: o.Source.Path, Line: line, Msg: fmt.Sprintf("annotation %s of %s: %v", key, o.Ref(), err)})
		}
	}
	return errors.Join(errs...)
}
