package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"os"

	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	"k8s.io/client-go/kubernetes/scheme"
)

type line struct {
	Wire  []byte          // a whole document, with its magic number
	JSON  json.RawMessage `json:",omitempty"`
	Same  bool            // whether Go writes the very same bytes
	Error string          `json:",omitempty"`
}

// codec answers each line of stdin with one on stdout.
func codec(_ context.Context, _ []string) error {
	if err := apiextensions.AddToScheme(scheme.Scheme); err != nil {
		return err
	}
	serializer := protobuf.NewSerializer(scheme.Scheme, scheme.Scheme)
	in, out := json.NewDecoder(bufio.NewReader(os.Stdin)), json.NewEncoder(os.Stdout)
	out.SetEscapeHTML(false)
	for in.More() {
		var one line
		if err := in.Decode(&one); err != nil {
			return err
		}
		if object, gvk, err := serializer.Decode(one.Wire, nil, nil); err != nil {
			one.Error = err.Error()
		} else {
			object.GetObjectKind().SetGroupVersionKind(*gvk)
			one.JSON, err = json.Marshal(object)
			if err != nil {
				return err
			}
			wire, err := runtime.Encode(serializer, object)
			if err != nil {
				return err
			}
			one.Same = bytes.Equal(wire, one.Wire)
		}
		one.Wire = nil
		if err := out.Encode(one); err != nil {
			return err
		}
	}
	return nil
}
