#!/bin/sh
# A CNI plugin of kube46 for machines without perl: every request starts Python. Written by `kube46 cni install`.
exec '@PYTHON@' -I -m kube46.cni.plugin "${0##*/}"
