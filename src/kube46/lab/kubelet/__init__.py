"""The stand-in kubelet of a stand-alone cluster: pods as network namespaces and processes under crun."""
