package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"sync"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	typed "k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/metadata/metadatainformer"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/pager"
)

var (
	services = schema.GroupVersionResource{Version: "v1", Resource: "services"}
	slices   = schema.GroupVersionResource{Group: "discovery.k8s.io", Version: "v1", Resource: "endpointslices"}
	output   sync.Mutex
)

// said is one line of output: what an informer was told, or that it has synced.
type said struct {
	Informer, Event, Resource, Name, Version string
	Whole                                    bool // whether it has more than metadata
}

func say(s said) {
	output.Lock()
	defer output.Unlock()
	_ = json.NewEncoder(os.Stdout).Encode(s)
}

// informers watches Services and EndpointSlices of a namespace in three ways, and the resource of --custom in two.
func informers(ctx context.Context, arguments []string) error {
	flags := flag.NewFlagSet("informers", flag.ExitOnError)
	namespace := flags.String("namespace", "default", "where to look")
	custom := flags.String("custom", "", "RESOURCE.VERSION.GROUP to watch as well")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	if err != nil {
		return err
	}
	binary := rest.CopyConfig(config)
	binary.ContentType = runtime.ContentTypeProtobuf
	clients, err := kubernetes.NewForConfig(binary)
	if err != nil {
		return err
	}
	metadatas, err := metadata.NewForConfig(config)
	if err != nil {
		return err
	}
	dynamics, err := dynamic.NewForConfig(config)
	if err != nil {
		return err
	}
	if err := pages(ctx, clients, *namespace); err != nil {
		return err
	}
	types := typed.NewSharedInformerFactoryWithOptions(clients, 0, typed.WithNamespace(*namespace))
	metas := metadatainformer.NewFilteredSharedInformerFactory(metadatas, 0, *namespace, nil)
	dynas := dynamicinformer.NewFilteredDynamicSharedInformerFactory(dynamics, 0, *namespace, nil)
	resources := []schema.GroupVersionResource{services, slices}
	for _, resource := range resources {
		informer, err := types.ForResource(resource)
		if err != nil {
			return err
		}
		if err := listen(ctx, "typed", resource, informer.Informer()); err != nil {
			return err
		}
	}
	if *custom != "" {
		resource, _ := schema.ParseResourceArg(*custom)
		resources = append(resources, *resource)
	}
	for _, resource := range resources {
		if err := listen(ctx, "metadata", resource, metas.ForResource(resource).Informer()); err != nil {
			return err
		}
		if err := listen(ctx, "dynamic", resource, dynas.ForResource(resource).Informer()); err != nil {
			return err
		}
	}
	types.Start(ctx.Done())
	metas.Start(ctx.Done())
	dynas.Start(ctx.Done())
	<-ctx.Done()
	types.Shutdown()
	metas.Shutdown()
	dynas.Shutdown()
	return nil
}

// pages lists Services two a page, as client-go's pager does, and says how many there were.
func pages(ctx context.Context, clients kubernetes.Interface, namespace string) error {
	list := pager.New(func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
		return clients.CoreV1().Services(namespace).List(ctx, options)
	})
	list.PageSize = 2
	count := 0
	err := list.EachListItem(ctx, metav1.ListOptions{}, func(runtime.Object) error {
		count++
		return nil
	})
	say(said{Informer: "pager", Event: "LISTED", Resource: "services", Version: fmt.Sprint(count)})
	return err
}

func listen(ctx context.Context, name string, resource schema.GroupVersionResource, informer cache.SharedIndexInformer) error {
	tell := func(event string, object any) {
		if gone, ok := object.(cache.DeletedFinalStateUnknown); ok {
			object = gone.Obj
		}
		found, err := meta.Accessor(object)
		if err != nil {
			panic(err)
		}
		_, partial := object.(*metav1.PartialObjectMetadata)
		say(said{name, event, resource.Resource, found.GetName(), found.GetResourceVersion(), !partial})
	}
	registration, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(object any) { tell("ADDED", object) },
		UpdateFunc: func(_, object any) { tell("MODIFIED", object) },
		DeleteFunc: func(object any) { tell("DELETED", object) },
	})
	if err != nil {
		return err
	}
	go func() {
		if cache.WaitForCacheSync(ctx.Done(), registration.HasSynced) {
			say(said{Informer: name, Event: "SYNCED", Resource: resource.Resource})
		}
	}()
	return nil
}
