package main

import (
	"bytes"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"
)

// age makes the leases in an answer look older than they are, in all that says how old they are. The API server itself
// never lets go of when an object was made.
func (r *relay) age(response *http.Response) error {
	request := response.Request
	if r.aged == 0 || response.StatusCode != http.StatusOK || callOf(request.Method, request.URL).resource != leases {
		return nil
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if body, err = aged(body, response.Header.Get("Content-Type"), r.aged); err != nil {
		return fmt.Errorf("making leases look old: %w", err)
	}
	response.Body = io.NopCloser(bytes.NewReader(body))
	response.ContentLength = int64(len(body))
	response.Header.Set("Content-Length", strconv.Itoa(len(body)))
	return nil
}

// aged rewrites a lease or a list of them, as it is encoded.
func aged(body []byte, contentType string, by time.Duration) ([]byte, error) {
	mediaType, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return nil, err
	}
	info, ok := runtime.SerializerInfoForMediaType(scheme.Codecs.SupportedMediaTypes(), mediaType)
	if !ok {
		return nil, fmt.Errorf("nobody can read %q", mediaType)
	}
	object, _, err := scheme.Codecs.UniversalDeserializer().Decode(body, nil, nil)
	if err != nil {
		return nil, err
	}
	switch o := object.(type) {
	case *coordinationv1.Lease:
		ageLease(o, by)
	case *coordinationv1.LeaseList:
		for i := range o.Items {
			ageLease(&o.Items[i], by)
		}
	}
	return runtime.Encode(scheme.Codecs.EncoderForVersion(info.Serializer, coordinationv1.SchemeGroupVersion), object)
}

func ageLease(l *coordinationv1.Lease, by time.Duration) {
	l.CreationTimestamp = metav1.NewTime(l.CreationTimestamp.Add(-by))
	for i, m := range l.ManagedFields {
		if m.Time != nil {
			earlier := metav1.NewTime(m.Time.Add(-by))
			l.ManagedFields[i].Time = &earlier
		}
	}
	for _, t := range []**metav1.MicroTime{&l.Spec.AcquireTime, &l.Spec.RenewTime} {
		if *t != nil {
			earlier := metav1.NewMicroTime((*t).Add(-by))
			*t = &earlier
		}
	}
}
