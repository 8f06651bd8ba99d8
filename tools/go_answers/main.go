// Answers the cases on stdin (JSON lines) with Kubernetes' own libraries: the reference for tests/unit/apiserver/go_answers.jsonl.
// Run by hand when Kubernetes' version changes:
//
//	go mod init answers && go get k8s.io/api@v0.37.2 k8s.io/apimachinery@v0.37.2 gopkg.in/evanphx/json-patch.v4
//	python cases.py | go run . > ../../tests/unit/apiserver/go_answers.jsonl
package main

import (
	"bufio"
	"encoding/json"
	"os"
	"time"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	appsv1 "k8s.io/api/apps/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	serializer "k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	"k8s.io/apimachinery/pkg/util/duration"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
)

type line struct {
	Op, Kind, APIVersion, In, Patch string
	Out                             json.RawMessage `json:",omitempty"`
	Error                           string          `json:",omitempty"`
	Strict                          []string        `json:",omitempty"`
	Wire                            []byte          `json:",omitempty"`
}

func main() {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, appsv1.AddToScheme, discoveryv1.AddToScheme, networkingv1.AddToScheme, authenticationv1.AddToScheme} {
		if err := add(scheme); err != nil {
			panic(err)
		}
	}
	in, out := bufio.NewScanner(os.Stdin), json.NewEncoder(os.Stdout)
	in.Buffer(nil, 1<<20)
	out.SetEscapeHTML(false)
	for in.Scan() {
		var c line
		if err := json.Unmarshal(in.Bytes(), &c); err != nil {
			panic(err)
		}
		answer(scheme, &c)
		if err := out.Encode(c); err != nil {
			panic(err)
		}
	}
}

func set(c *line, value []byte, err error) {
	if err != nil {
		c.Error = err.Error()
	} else {
		c.Out = value
	}
}

func text(c *line, value string, err error) {
	quoted, _ := json.Marshal(value)
	set(c, quoted, err)
}

func answer(scheme *runtime.Scheme, c *line) {
	switch c.Op {
	case "decode":
		decode(scheme, c)
	case "quantity":
		var q resource.Quantity
		err := json.Unmarshal([]byte(c.In), &q)
		text(c, q.String(), err)
	case "time":
		var t metav1.Time
		err := json.Unmarshal([]byte(c.In), &t)
		value, _ := json.Marshal(t)
		set(c, value, err)
	case "microtime":
		var t metav1.MicroTime
		err := json.Unmarshal([]byte(c.In), &t)
		value, _ := json.Marshal(t)
		set(c, value, err)
	case "duration":
		d, err := time.ParseDuration(c.In)
		text(c, duration.HumanDuration(d), err)
	case "jsonpatch":
		p, err := jsonpatch.DecodePatch([]byte(c.Patch))
		if err != nil {
			set(c, nil, err)
			return
		}
		value, err := p.Apply([]byte(c.In))
		set(c, value, err)
	case "merge":
		value, err := jsonpatch.MergePatch([]byte(c.In), []byte(c.Patch))
		set(c, value, err)
	case "strategic":
		object, err := scheme.New(schema.FromAPIVersionAndKind(c.APIVersion, c.Kind))
		if err != nil {
			panic(err)
		}
		value, err := strategicpatch.StrategicMergePatch([]byte(c.In), []byte(c.Patch), object)
		set(c, value, err)
	}
}

func decode(scheme *runtime.Scheme, c *line) {
	s := serializer.NewSerializerWithOptions(serializer.DefaultMetaFactory, scheme, scheme, serializer.SerializerOptions{Strict: true})
	gvk := schema.FromAPIVersionAndKind(c.APIVersion, c.Kind)
	object, _, err := s.Decode([]byte(c.In), &gvk, nil)
	if strict, ok := runtime.AsStrictDecodingError(err); ok {
		for _, e := range strict.Errors() {
			c.Strict = append(c.Strict, e.Error())
		}
	} else if err != nil {
		c.Error = err.Error()
		return
	}
	object.GetObjectKind().SetGroupVersionKind(gvk)
	c.Out, _ = json.Marshal(object)
	c.Wire, _ = runtime.Encode(protobuf.NewSerializer(scheme, scheme), object)
}
