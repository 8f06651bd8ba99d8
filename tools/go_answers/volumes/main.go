// Answers the cases on stdin (JSON lines) with Kubernetes' own strategies: the reference for tests/unit/apiserver/volume_answers.jsonl.
// Run by hand when Kubernetes' version changes:
//
//	go mod init answers
//	for m in $(sed -n 's/^\t\(k8s.io\/[a-z-]*\) => .*/\1/p' $(go env GOMODCACHE)/k8s.io/kubernetes@v1.37.2/go.mod); do
//		go mod edit -replace $m=$m@v0.37.2
//	done
//	go mod edit -require k8s.io/kubernetes@v1.37.2 && go mod tidy
//	python cases.py | go run . > ../../../tests/unit/apiserver/volume_answers.jsonl
package main

import (
	"bufio"
	"encoding/json"
	"os"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	genericapirequest "k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	_ "k8s.io/kubernetes/pkg/apis/apps/install"
	_ "k8s.io/kubernetes/pkg/apis/core/install"
	_ "k8s.io/kubernetes/pkg/apis/storage/install"
	"k8s.io/kubernetes/pkg/registry/apps/statefulset"
	"k8s.io/kubernetes/pkg/registry/core/persistentvolume"
	"k8s.io/kubernetes/pkg/registry/core/persistentvolumeclaim"
	"k8s.io/kubernetes/pkg/registry/core/pod"
	"k8s.io/kubernetes/pkg/registry/storage/storageclass"
)

type line struct {
	Op, Kind string
	Old, New json.RawMessage `json:",omitempty"`
	Out      json.RawMessage `json:",omitempty"`
	Error    json.RawMessage `json:",omitempty"`
}

func main() {
	in, out := bufio.NewScanner(os.Stdin), json.NewEncoder(os.Stdout)
	in.Buffer(nil, 1<<20)
	out.SetEscapeHTML(false)
	for in.Scan() {
		var c line
		must(json.Unmarshal(in.Bytes(), &c))
		answer(&c)
		must(out.Encode(c))
	}
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func fresh(kind string) (runtime.Object, schema.GroupVersion, string) {
	switch kind {
	case "PersistentVolume":
		return &corev1.PersistentVolume{}, corev1.SchemeGroupVersion, "persistentvolumes"
	case "PersistentVolumeClaim":
		return &corev1.PersistentVolumeClaim{}, corev1.SchemeGroupVersion, "persistentvolumeclaims"
	case "Pod":
		return &corev1.Pod{}, corev1.SchemeGroupVersion, "pods"
	case "StatefulSet":
		return &appsv1.StatefulSet{}, appsv1.SchemeGroupVersion, "statefulsets"
	}
	return &storagev1.StorageClass{}, storagev1.SchemeGroupVersion, "storageclasses"
}

func internal(kind string, raw []byte) runtime.Object {
	obj, gv, _ := fresh(kind)
	must(json.Unmarshal(raw, obj))
	legacyscheme.Scheme.Default(obj)
	found, err := legacyscheme.Scheme.ConvertToVersion(obj, schema.GroupVersion{Group: gv.Group, Version: runtime.APIVersionInternal})
	must(err)
	return found
}

func answer(c *line) {
	_, gv, plural := fresh(c.Kind)
	ctx := genericapirequest.WithNamespace(genericapirequest.NewContext(), "")
	if c.Kind == "PersistentVolumeClaim" || c.Kind == "Pod" || c.Kind == "StatefulSet" {
		ctx = genericapirequest.NewDefaultContext()
	}
	info := &genericapirequest.RequestInfo{IsResourceRequest: true, APIGroup: gv.Group, APIVersion: gv.Version, Resource: plural, Verb: "create"}
	if c.Op == "status" {
		info.Subresource = "status"
	}
	if c.Op != "create" {
		info.Verb = "update"
	}
	ctx = genericapirequest.WithRequestInfo(ctx, info)
	obj := internal(c.Kind, c.New)
	if accessor, err := meta.Accessor(obj); c.Op == "create" && err == nil {
		rest.FillObjectMetaSystemFields(accessor)
	}
	var err error
	if c.Op == "create" {
		err = rest.BeforeCreate(creator(c.Kind), ctx, obj)
	} else {
		err = rest.BeforeUpdate(updater(c.Kind, c.Op), ctx, obj, internal(c.Kind, c.Old))
	}
	if err != nil {
		status := err.(apierrors.APIStatus).Status()
		c.Error, err = json.Marshal(status)
		must(err)
		return
	}
	back, err := legacyscheme.Scheme.ConvertToVersion(obj, gv)
	must(err)
	c.Out, err = json.Marshal(back)
	must(err)
}

func creator(kind string) rest.RESTCreateStrategy {
	switch kind {
	case "PersistentVolume":
		return persistentvolume.Strategy
	case "PersistentVolumeClaim":
		return persistentvolumeclaim.Strategy
	case "Pod":
		return pod.Strategy
	case "StatefulSet":
		return statefulset.Strategy
	}
	return storageclass.Strategy
}

func updater(kind, op string) rest.RESTUpdateStrategy {
	switch {
	case kind == "PersistentVolume" && op == "status":
		return persistentvolume.StatusStrategy
	case kind == "PersistentVolume":
		return persistentvolume.Strategy
	case kind == "PersistentVolumeClaim" && op == "status":
		return persistentvolumeclaim.StatusStrategy
	case kind == "PersistentVolumeClaim":
		return persistentvolumeclaim.Strategy
	case kind == "Pod":
		return pod.Strategy
	case kind == "StatefulSet":
		return statefulset.Strategy
	}
	return storageclass.Strategy
}
