package cluster

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/rolloutgate/rolloutgate/gate/record"
)

// part is one object of a record.
type part struct {
	metav1.ObjectMeta
	data []byte
}

// shelf is a kind of object in which records are kept. Its errors are those of the API server, but for a
// *record.FormatError where an object holds no record.
type shelf interface {
	resource() schema.GroupVersionResource
	create(ctx context.Context, p part) error
	update(ctx context.Context, p part) error
	get(ctx context.Context, namespace, name string) (part, error)
	delete(ctx context.Context, namespace, name string) error
}

// secrets are where records are kept.
type secrets struct{ c *Client }

func (secrets) resource() schema.GroupVersionResource {
	return schema.GroupVersionResource{Version: "v1", Resource: "secrets"}
}

func (secrets) of(p part) *corev1.Secret {
	return &corev1.Secret{ObjectMeta: p.ObjectMeta, Type: recordType, Data: map[string][]byte{recordKey: p.data}}
}

func (s secrets) create(ctx context.Context, p part) error {
	_, err := s.c.typed.CoreV1().Secrets(p.Namespace).Create(ctx, s.of(p), metav1.CreateOptions{FieldManager: recordsManager})
	return err
}

func (s secrets) update(ctx context.Context, p part) error {
	_, err := s.c.typed.CoreV1().Secrets(p.Namespace).Update(ctx, s.of(p), metav1.UpdateOptions{FieldManager: recordsManager})
	return err
}

func (s secrets) get(ctx context.Context, namespace, name string) (part, error) {
	o, err := s.c.typed.CoreV1().Secrets(namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return part{}, err
	}
	if o.Type != recordType {
		return part{}, &record.FormatError{Why: fmt.Sprintf("secret %s is not one", name)}
	}
	return part{o.ObjectMeta, o.Data[recordKey]}, nil
}

func (s secrets) delete(ctx context.Context, namespace, name string) error {
	return s.c.typed.CoreV1().Secrets(namespace).Delete(ctx, name, metav1.DeleteOptions{})
}

// configMaps are where records are kept that have nothing of a Secret, by accounts that may not use Secrets.
type configMaps struct{ c *Client }

func (configMaps) resource() schema.GroupVersionResource {
	return schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}
}

func (configMaps) of(p part) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: p.ObjectMeta, BinaryData: map[string][]byte{recordKey: p.data}}
}

func (m configMaps) create(ctx context.Context, p part) error {
	_, err := m.c.typed.CoreV1().ConfigMaps(p.Namespace).Create(ctx, m.of(p), metav1.CreateOptions{FieldManager: recordsManager})
	return err
}

func (m configMaps) update(ctx context.Context, p part) error {
	_, err := m.c.typed.CoreV1().ConfigMaps(p.Namespace).Update(ctx, m.of(p), metav1.UpdateOptions{FieldManager: recordsManager})
	return err
}

func (m configMaps) get(ctx context.Context, namespace, name string) (part, error) {
	o, err := m.c.typed.CoreV1().ConfigMaps(namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return part{}, err
	}
	if o.Labels[managedBy] != "rolloutgate" || o.Labels[recordLabel] == "" {
		return part{}, &record.FormatError{Why: fmt.Sprintf("configmap %s is not one", name)}
	}
	return part{o.ObjectMeta, o.BinaryData[recordKey]}, nil
}

func (m configMaps) delete(ctx context.Context, namespace, name string) error {
	return m.c.typed.CoreV1().ConfigMaps(namespace).Delete(ctx, name, metav1.DeleteOptions{})
}
