package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/go-logr/logr/funcr"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/tools/record"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/config"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
)

const (
	label     = "clients.kube46.test/site" // on the Services that the operator serves
	finalizer = "clients.kube46.test/goodbye"
	condition = "Published"
)

// sites keeps a ConfigMap and a Deployment for every labelled Service, and says in its status that they are there.
type sites struct {
	client.Client
	recorder events.EventRecorder
	legacy   record.EventRecorder
}

// operator runs until it is told to stop, or loses its lease.
func operator(ctx context.Context, arguments []string) error {
	flags := flag.NewFlagSet("operator", flag.ExitOnError)
	namespace := flags.String("namespace", "default", "where to work, and where the lease is")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	ctrl.SetLogger(funcr.New(func(prefix, args string) { fmt.Fprintln(os.Stderr, prefix, args) }, funcr.Options{}))
	lease, renew, retry := 3*time.Second, 2*time.Second, 200*time.Millisecond
	manager, err := ctrl.NewManager(config.GetConfigOrDie(), ctrl.Options{
		Cache:                         cache.Options{DefaultNamespaces: map[string]cache.Config{*namespace: {}}},
		LeaderElection:                true,
		LeaderElectionID:              "sites",
		LeaderElectionNamespace:       *namespace,
		LeaderElectionReleaseOnCancel: true,
		LeaseDuration:                 &lease,
		RenewDeadline:                 &renew,
		RetryPeriod:                   &retry,
		Metrics:                       server.Options{BindAddress: "0"},
	})
	if err != nil {
		return err
	}
	reconciler := &sites{
		Client:   manager.GetClient(),
		recorder: manager.GetEventRecorder("sites"),
		legacy:   manager.GetEventRecorderFor("sites-legacy"), //nolint:staticcheck // most operators still use it
	}
	labelled := predicate.NewPredicateFuncs(func(o client.Object) bool { return o.GetLabels()[label] != "" })
	err = ctrl.NewControllerManagedBy(manager).
		For(&corev1.Service{}, builder.WithPredicates(labelled)).
		Owns(&corev1.ConfigMap{}).
		Owns(&appsv1.Deployment{}).
		Complete(reconciler)
	if err != nil {
		return err
	}
	return manager.Start(ctx)
}

// Reconcile is level-triggered: it makes what is missing and mends what was changed.
func (s *sites) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	var service corev1.Service
	if err := s.Get(ctx, request.NamespacedName, &service); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if !service.DeletionTimestamp.IsZero() {
		s.legacy.Event(&service, corev1.EventTypeNormal, "Goodbye", "the site is taken down")
		before := client.MergeFromWithOptions(service.DeepCopy(), client.MergeFromWithOptimisticLock{})
		controllerutil.RemoveFinalizer(&service, finalizer)
		return ctrl.Result{}, client.IgnoreNotFound(s.Patch(ctx, &service, before))
	}
	if controllerutil.AddFinalizer(&service, finalizer) {
		return ctrl.Result{}, s.Update(ctx, &service)
	}
	content, err := s.content(ctx, &service)
	if err != nil {
		return ctrl.Result{}, err
	}
	deployment, err := s.deployment(ctx, &service, content.ResourceVersion)
	if err != nil {
		return ctrl.Result{}, err
	}
	before := client.MergeFrom(service.DeepCopy())
	changed := meta.SetStatusCondition(&service.Status.Conditions, metav1.Condition{
		Type: condition, Status: metav1.ConditionTrue, Reason: "Made",
		Message: fmt.Sprintf("%d replicas serve it", *deployment.Spec.Replicas), ObservedGeneration: deployment.Generation,
	})
	if !changed {
		return ctrl.Result{}, nil
	}
	if err := s.Status().Patch(ctx, &service, before); err != nil {
		return ctrl.Result{}, err
	}
	s.recorder.Eventf(&service, deployment, corev1.EventTypeNormal, "Published", "Publish", "the site is at %s", service.Spec.ClusterIP)
	return ctrl.Result{}, nil
}

func (s *sites) content(ctx context.Context, service *corev1.Service) (*corev1.ConfigMap, error) {
	content := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: service.Name + "-content", Namespace: service.Namespace}}
	_, err := controllerutil.CreateOrUpdate(ctx, s.Client, content, func() error {
		content.Data = map[string]string{"index.html": service.Labels[label]}
		return controllerutil.SetControllerReference(service, content, s.Scheme())
	})
	return content, err
}

func (s *sites) deployment(ctx context.Context, service *corev1.Service, version string) (*appsv1.Deployment, error) {
	replicas, labels := int32(2), map[string]string{"site": service.Name}
	deployment := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: service.Name, Namespace: service.Namespace}}
	_, err := controllerutil.CreateOrPatch(ctx, s.Client, deployment, func() error {
		deployment.Spec.Replicas = &replicas
		deployment.Spec.Selector = &metav1.LabelSelector{MatchLabels: labels}
		deployment.Spec.Template.Labels = labels
		metav1.SetMetaDataAnnotation(&deployment.Spec.Template.ObjectMeta, "content", version)
		if len(deployment.Spec.Template.Spec.Containers) == 0 {
			deployment.Spec.Template.Spec.Containers = []corev1.Container{{Name: "web", Image: "host", Command: []string{"sleep", "1000"}}}
		}
		return controllerutil.SetControllerReference(service, deployment, s.Scheme())
	})
	return deployment, err
}
