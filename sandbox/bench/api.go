package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// api asks the API server for the few things that a measurement needs to know, past the relay. It decodes no more
// than that: the memory of this process would show up in what is measured, see command.run.
type api struct {
	server string
	http   *http.Client
}

// deployment is the part of a Deployment that says how far its rollout is.
type deployment struct {
	Metadata struct {
		Name       string `json:"name"`
		Generation int64  `json:"generation"`
	} `json:"metadata"`
	Spec struct {
		Replicas int `json:"replicas"`
		Template struct {
			Spec struct {
				Containers []struct {
					Image string `json:"image"`
				} `json:"containers"`
			} `json:"spec"`
		} `json:"template"`
	} `json:"spec"`
	Status struct {
		ObservedGeneration int64 `json:"observedGeneration"`
		Replicas           int   `json:"replicas"`
		UpdatedReplicas    int   `json:"updatedReplicas"`
		AvailableReplicas  int   `json:"availableReplicas"`
	} `json:"status"`
}

// complete is the rule of `kubectl rollout status`.
func (d deployment) complete() bool {
	s := d.Status
	return s.ObservedGeneration >= d.Metadata.Generation &&
		s.UpdatedReplicas == d.Spec.Replicas && s.Replicas == s.UpdatedReplicas && s.AvailableReplicas == s.UpdatedReplicas
}

func (d deployment) image() string {
	if c := d.Spec.Template.Spec.Containers; len(c) > 0 {
		return c[0].Image
	}
	return ""
}

const deploymentName = "web"

func deploymentsPath(namespace string) string {
	return "/apis/apps/v1/namespaces/" + namespace + "/deployments"
}

// rolled are the Deployments that the measured command rolls.
func (a *api) rolled(ctx context.Context, namespace string) (list[deployment], error) {
	return listOf[deployment](ctx, a, deploymentsPath(namespace), ofBench)
}

// podCount counts all pods of a namespace, terminating ones too. One item is read; the API server counts the rest.
func (a *api) podCount(ctx context.Context, namespace string) (int, error) {
	var list struct {
		Metadata struct {
			RemainingItemCount int `json:"remainingItemCount"`
		} `json:"metadata"`
		Items []struct{} `json:"items"`
	}
	err := a.do(ctx, http.MethodGet, "/api/v1/namespaces/"+namespace+"/pods?limit=1", nil, &list)
	return len(list.Items) + list.Metadata.RemainingItemCount, err
}

func replicaSetsPath(namespace string) string {
	return "/apis/apps/v1/namespaces/" + namespace + "/replicasets"
}

func (a *api) readyReplicas(ctx context.Context, namespace, replicaSet string) (int, error) {
	var r struct {
		Status struct {
			ReadyReplicas int `json:"readyReplicas"`
		} `json:"status"`
	}
	err := a.do(ctx, http.MethodGet, replicaSetsPath(namespace)+"/"+replicaSet, nil, &r)
	return r.Status.ReadyReplicas, err
}

// version is the API server's own.
func (a *api) version(ctx context.Context) (string, error) {
	var v struct {
		GitVersion string `json:"gitVersion"`
	}
	err := a.do(ctx, http.MethodGet, "/version", nil, &v)
	return v.GitVersion, err
}

// create posts objects in JSON; those that exist already are fine.
func (a *api) create(ctx context.Context, path, object string) error {
	err := a.do(ctx, http.MethodPost, path, []byte(object), nil)
	var failed *statusError
	if errors.As(err, &failed) && failed.code == http.StatusConflict {
		return nil
	}
	return err
}

// delete deletes an object; one that is not there is fine.
func (a *api) delete(ctx context.Context, path string) error {
	err := a.do(ctx, http.MethodDelete, path, nil, nil)
	if failed := (*statusError)(nil); errors.As(err, &failed) && failed.code == http.StatusNotFound {
		return nil
	}
	return err
}

// statusError is an answer that is not a success.
type statusError struct {
	code int
	text string
}

func (e *statusError) Error() string { return e.text }

func (a *api) do(ctx context.Context, method, path string, in []byte, out any) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	response, err := a.send(ctx, method, path, in)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if out == nil {
		_, err = io.Copy(io.Discard, response.Body)
		return err
	}
	return json.NewDecoder(response.Body).Decode(out)
}

func (a *api) send(ctx context.Context, method, path string, in []byte) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, method, a.server+path, bytes.NewReader(in))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := a.http.Do(request)
	if err != nil {
		return nil, err
	}
	if response.StatusCode >= 300 {
		defer response.Body.Close()
		said, _ := io.ReadAll(io.LimitReader(response.Body, 500))
		text := fmt.Sprintf("%s %s: %s: %s", method, path, response.Status, strings.TrimSpace(string(said)))
		return nil, &statusError{response.StatusCode, text}
	}
	return response, nil
}
