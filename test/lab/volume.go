package lab

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// What a kubelet has in its code: the time for one call, and the waits between a volume's tries.
const (
	csiTimeout  = 2 * time.Minute
	firstWait   = 500 * time.Millisecond
	longestWait = 2*time.Minute + 2*time.Second
	// A kubelet would go on for ever; a test wants to know.
	unpublishWait = 4 * time.Second
)

// Volume is one CSI volume of a pod.
type Volume struct {
	kubelet *Kubelet
	pod     *corev1.Pod
	name    string
	source  *corev1.CSIVolumeSource
}

// Change is a change to a request just before it is sent, for what a kubelet would never send.
type Change func(*csi.NodePublishVolumeRequest)

// Pod is the volume's pod.
func (v *Volume) Pod() *corev1.Pod { return v.pod }

// Target is the volume's folder, as the node sees it.
func (v *Volume) Target() string { return filepath.Join(v.parent(), "mount") }

func (v *Volume) parent() string {
	return v.kubelet.lab.path("kubelet", "pods", string(v.pod.UID), "volumes", "kubernetes.io~csi", v.name)
}

// handle is the volume's id: the kubelet makes it of the pod and the volume's name.
func (v *Volume) handle() string {
	return fmt.Sprintf("csi-%x", sha256.Sum256([]byte(string(v.pod.UID)+v.name)))
}

// Publish sends one NodePublishVolume, with what a kubelet sends and fresh tokens, and treats a failure as a kubelet does: on a final code the target
// folder is removed, on Unavailable, ResourceExhausted, DeadlineExceeded, Aborted and Canceled it stays; the pod gets an Event FailedMount. The
// error is the driver's gRPC status (status.FromError finds it). On a published volume it is the republish that a kubelet sends every minute or so.
func (v *Volume) Publish(ctx context.Context, changes ...Change) error {
	err := v.publish(ctx, changes)
	if err == nil {
		return nil
	}
	return errors.Join(err, v.recordFailure(context.WithoutCancel(ctx), err))
}

func (v *Volume) publish(ctx context.Context, changes []Change) error {
	ctx, cancel := context.WithTimeout(ctx, csiTimeout)
	defer cancel()
	conn, err := v.kubelet.lab.dialDriver()
	if err != nil {
		return err
	}
	defer conn.Close()
	node := csi.NewNodeClient(conn)

	if err := os.MkdirAll(v.parent(), 0o750); err != nil {
		return fmt.Errorf("making the volume's folder: %w", err)
	}
	request, err := v.request(ctx, node)
	if err != nil {
		return err
	}
	for _, change := range changes {
		change(request)
	}
	if err := v.saveData(); err != nil {
		return errors.Join(err, v.removeTarget())
	}
	_, err = node.NodePublishVolume(ctx, request)
	if err != nil && Final(err) {
		return errors.Join(err, v.removeTarget())
	}
	return err
}

// Final says whether a kubelet takes a driver's error for the end of the operation. After any other, and after an error that is no gRPC status, it
// cannot know whether the volume is mounted, and keeps the folder.
func Final(err error) bool {
	s, ok := status.FromError(err)
	if !ok {
		return false
	}
	switch s.Code() {
	case codes.Canceled, codes.DeadlineExceeded, codes.Unavailable, codes.ResourceExhausted, codes.Aborted:
		return false
	default:
		return true
	}
}

// Mount publishes until that succeeds, waiting as a kubelet does: half a second, then twice as long each time, up to two minutes. When ctx ends the
// last failure is the error.
func (v *Volume) Mount(ctx context.Context, changes ...Change) error {
	wait := firstWait
	var last error
	for {
		err := v.Publish(ctx, changes...)
		if err == nil {
			return nil
		}
		if last == nil || ctx.Err() == nil { // a try that ctx has cut short says less than the one before
			last = err
		}
		select {
		case <-ctx.Done():
			return last
		case <-time.After(wait):
			wait = min(2*wait, longestWait)
		}
	}
}

// request is what a kubelet sends: the volume's attributes, over them the pod's names if the CSIDriver object asks for them, and the tokens.
func (v *Volume) request(ctx context.Context, node csi.NodeClient) (*csi.NodePublishVolumeRequest, error) {
	driver, err := v.kubelet.driver(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the CSIDriver object: %w", err)
	}
	secrets, err := v.publishSecrets(ctx)
	if err != nil {
		return nil, err
	}
	attributes := map[string]string{}
	merge(attributes, v.source.VolumeAttributes)
	if driver.Spec.PodInfoOnMount != nil && *driver.Spec.PodInfoOnMount {
		merge(attributes, map[string]string{
			"csi.storage.k8s.io/pod.name":            v.pod.Name,
			"csi.storage.k8s.io/pod.namespace":       v.pod.Namespace,
			"csi.storage.k8s.io/pod.uid":             string(v.pod.UID),
			"csi.storage.k8s.io/serviceAccount.name": v.pod.Spec.ServiceAccountName,
			"csi.storage.k8s.io/ephemeral":           "true",
		})
	}
	tokens, err := v.kubelet.tokensOf(ctx, v.pod, driver)
	if err != nil {
		return nil, err
	}
	if tokens != "" {
		place := attributes
		if driver.Spec.ServiceAccountTokenInSecrets != nil && *driver.Spec.ServiceAccountTokenInSecrets {
			place = secrets
		}
		place[tokensKey] = tokens
	}
	mode, err := accessMode(ctx, node)
	if err != nil {
		return nil, err
	}
	fsType := ""
	if v.source.FSType != nil {
		fsType = *v.source.FSType
	}
	return &csi.NodePublishVolumeRequest{
		VolumeId: v.handle(), TargetPath: v.Target(), Readonly: v.source.ReadOnly != nil && *v.source.ReadOnly,
		VolumeCapability: volumeCapability(mode, fsType), VolumeContext: attributes, Secrets: secrets,
	}, nil
}

func merge(into, from map[string]string) {
	for key, value := range from {
		into[key] = value
	}
}

// publishSecrets is the data of the Secret that the volume's nodePublishSecretRef names.
func (v *Volume) publishSecrets(ctx context.Context) (map[string]string, error) {
	secrets := map[string]string{}
	if v.source.NodePublishSecretRef == nil {
		return secrets, nil
	}
	secret, err := v.kubelet.lab.clients.nodeset.CoreV1().Secrets(v.pod.Namespace).Get(ctx, v.source.NodePublishSecretRef.Name, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("fetching the volume's nodePublishSecretRef: %w", err)
	}
	for key, value := range secret.Data {
		secrets[key] = string(value)
	}
	return secrets, nil
}

// accessMode is that of an inline volume: ReadWriteOnce, which is another number for a driver that knows the newer modes.
func accessMode(ctx context.Context, node csi.NodeClient) (csi.VolumeCapability_AccessMode_Mode, error) {
	answer, err := node.NodeGetCapabilities(ctx, &csi.NodeGetCapabilitiesRequest{})
	if err != nil {
		return 0, err // a gRPC status, judged like the publish's own
	}
	for _, capability := range answer.GetCapabilities() {
		if capability.GetRpc().GetType() == csi.NodeServiceCapability_RPC_SINGLE_NODE_MULTI_WRITER {
			return csi.VolumeCapability_AccessMode_SINGLE_NODE_MULTI_WRITER, nil
		}
	}
	return csi.VolumeCapability_AccessMode_SINGLE_NODE_WRITER, nil
}

func volumeCapability(mode csi.VolumeCapability_AccessMode_Mode, fsType string) *csi.VolumeCapability {
	return &csi.VolumeCapability{
		AccessMode: &csi.VolumeCapability_AccessMode{Mode: mode},
		AccessType: &csi.VolumeCapability_Mount{Mount: &csi.VolumeCapability_MountVolume{FsType: fsType}},
	}
}

// saveData writes what a kubelet keeps beside the target for the time after its restart.
func (v *Volume) saveData() error {
	text, err := json.Marshal(map[string]string{
		"specVolID": v.name, "volumeHandle": v.handle(), "driverName": driverName, "nodeName": nodeName, "volumeLifecycleMode": "Ephemeral",
		"attachmentID": fmt.Sprintf("csi-%x", sha256.Sum256([]byte(v.handle()+driverName+nodeName))),
	})
	if err != nil {
		return fmt.Errorf("saving the volume's data: %w", err)
	}
	if err := os.WriteFile(filepath.Join(v.parent(), "vol_data.json"), append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("saving the volume's data: %w", err)
	}
	return nil
}

// Mounted says whether something is mounted on the target: it is on another device than its parent, which is how a kubelet tells.
func (v *Volume) Mounted() (bool, error) {
	node := v.kubelet.lab.node
	target, err := os.Stat(node.Path(v.Target()))
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("looking at the volume: %w", err)
	}
	parent, err := os.Stat(node.Path(v.parent()))
	if err != nil {
		return false, fmt.Errorf("looking at the volume: %w", err)
	}
	return target.Sys().(*syscall.Stat_t).Dev != parent.Sys().(*syscall.Stat_t).Dev, nil
}

// removeTarget removes the target, if nothing is mounted there, and what the kubelet put beside it.
func (v *Volume) removeTarget() error {
	mounted, err := v.Mounted()
	if err != nil || mounted {
		return err
	}
	for _, path := range []string{v.Target(), filepath.Join(v.parent(), "vol_data.json"), v.parent()} {
		// Seen from outside of the node a mount point could be removed: the node's own view is used.
		if err := os.Remove(v.kubelet.lab.node.Path(path)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("removing the volume's folder: %w", err)
		}
	}
	return nil
}

// Unpublish sends NodeUnpublishVolume until that succeeds, waiting as a kubelet does between its tries (the kernel may call a volume busy that
// was just let go of), and removes what is left of the folder. After a few seconds, or when ctx ends, the last failure is the error.
func (v *Volume) Unpublish(ctx context.Context) error {
	for wait := firstWait; ; wait *= 2 {
		err := v.unpublish(ctx)
		if err == nil || wait > unpublishWait {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(wait):
		}
	}
}

func (v *Volume) unpublish(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, csiTimeout)
	defer cancel()
	conn, err := v.kubelet.lab.dialDriver()
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := csi.NewNodeClient(conn).NodeUnpublishVolume(ctx, &csi.NodeUnpublishVolumeRequest{VolumeId: v.handle(), TargetPath: v.Target()}); err != nil {
		return fmt.Errorf("unpublishing the volume: %w", err)
	}
	return v.removeTarget()
}

// recordFailure leaves on the pod the Event that its owner reads.
func (v *Volume) recordFailure(ctx context.Context, failure error) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	now := metav1.Now()
	text := strings.ToValidUTF8(failure.Error(), "\uFFFD")
	event := &corev1.Event{
		ObjectMeta: metav1.ObjectMeta{Namespace: v.pod.Namespace, Name: fmt.Sprintf("%s.%x", v.pod.Name, now.UnixNano())},
		InvolvedObject: corev1.ObjectReference{
			APIVersion: "v1", Kind: "Pod", Namespace: v.pod.Namespace, Name: v.pod.Name, UID: v.pod.UID, ResourceVersion: v.pod.ResourceVersion,
		},
		Type: corev1.EventTypeWarning, Reason: "FailedMount",
		Message:        fmt.Sprintf("MountVolume.SetUp failed for volume %q : %s", v.name, text),
		FirstTimestamp: now, LastTimestamp: now, Count: 1,
		Source: corev1.EventSource{Component: "kubelet", Host: nodeName}, ReportingController: "kubelet", ReportingInstance: nodeName,
	}
	if _, err := v.kubelet.lab.clients.nodeset.CoreV1().Events(v.pod.Namespace).Create(ctx, event, metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("recording the failure on the pod: %w", err)
	}
	return nil
}
