"""Admission: what may change or refuse a write beside its kind's own rules, in kube-apiserver's order."""
