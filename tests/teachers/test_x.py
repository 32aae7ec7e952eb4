def test_all(vllm, llama_stack, ogx, old_llama_stack):
    import urllib.request
    for s in (llama_stack, ogx, old_llama_stack):
        print(s.name, s.version, urllib.request.urlopen(s.url+"/v1/models").read()[:600])
