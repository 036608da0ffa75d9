namespace KFac.Nn;

/// <summary>Gives the tensors of other libraries' files the names that networks here have.</summary>
/// <remarks>
/// GPT-2 as nanoGPT and Hugging Face save it (<c>h.0.attn.c_attn.weight</c>, the latter with linear weights transposed), ViT as timm does
/// (<c>blocks.0.attn.qkv.weight</c>), and PyTorch's parametrised weight normalisation (<c>parametrizations.weight.original0</c>). Names that
/// are none of these stay as they are; counts of batches are left out, and of GPT-2 attention masks and an output projection that is tied.
/// Activations and constants stay the network's own: published GPT-2 weights were trained with the tanh form of GELU, timm's with an
/// epsilon of 1e-6 in norms, so outputs differ slightly from theirs.
/// </remarks>
internal static class ForeignLayout
{
    private const string GptMark = "attn.c_attn.weight";
    private const string VitMark = "attn.qkv.weight";
    private const string Gain = ".parametrizations.weight.original0";
    private const string Direction = ".parametrizations.weight.original1";

    private static readonly (string Theirs, string Ours)[] s_gptBlock =
    [
        ("ln_1.", "norm1."),
        ("ln_2.", "norm2."),
        ("attn.c_proj.", "attention.output."),
        ("mlp.c_fc.", "hidden."),
        ("mlp.c_proj.", "projection."),
    ];

    private static readonly (string Theirs, string Ours)[] s_gpt =
    [
        ("wte.weight", "tokens.weight"),
        ("wpe.weight", "positions"),
        ("ln_f.", "norm."),
        ("lm_head.weight", "head.weight"),
    ];

    private static readonly (string Theirs, string Ours)[] s_vitBlock =
    [
        ("attn.proj.", "attention.output."),
        ("mlp.fc1.", "hidden."),
        ("mlp.fc2.", "projection."),
    ];

    private static readonly (string Theirs, string Ours)[] s_vit =
    [
        ("patch_embed.proj.", "patches."),
        ("cls_token", "token"),
        ("pos_embed", "positions"),
    ];

    /// <summary>Renames, splits and transposes what must be.</summary>
    /// <param name="wanted">The network's names: of the tensors that it may lack, those stay out.</param>
    /// <exception cref="InvalidDataException">A tensor to be split has a shape that cannot be.</exception>
    public static IEnumerable<SafetensorsTensor> Rename(string path, IReadOnlyList<SafetensorsTensor> tensors, IReadOnlySet<string> wanted)
    {
        SafetensorsTensor? gpt = tensors.FirstOrDefault(static tensor => tensor.Name.EndsWith("h.0." + GptMark, StringComparison.Ordinal));
        bool isVit = tensors.Any(static tensor => tensor.Name == "blocks.0." + VitMark);
        bool isTransposed = gpt is { Shape: [int rows, int columns] } && rows < columns;
        foreach (SafetensorsTensor tensor in tensors)
        {
            IEnumerable<SafetensorsTensor> renamed = gpt is not null ? OfGpt(path, tensor, isTransposed) : isVit ? OfVit(path, tensor) : [OfPyTorch(tensor)];
            foreach (SafetensorsTensor own in renamed)
            {
                if (wanted.Contains(own.Name) || !MayBeLeftOut(own.Name, gpt is not null))
                {
                    yield return own;
                }
            }
        }
    }

    private static bool MayBeLeftOut(string name, bool isGpt) =>
        name.EndsWith(".num_batches_tracked", StringComparison.Ordinal)
        || (isGpt
            && (name == "head.weight"
                || name.EndsWith(".attn.bias", StringComparison.Ordinal)
                || name.EndsWith(".attn.masked_bias", StringComparison.Ordinal)));

    private static SafetensorsTensor OfPyTorch(SafetensorsTensor tensor) => tensor with
    {
        Name = tensor.Name.EndsWith(Gain, StringComparison.Ordinal) ? tensor.Name[..^Gain.Length] + ".weight_g"
            : tensor.Name.EndsWith(Direction, StringComparison.Ordinal) ? tensor.Name[..^Direction.Length] + ".weight_v"
            : tensor.Name,
    };

    private static IEnumerable<SafetensorsTensor> OfGpt(string path, SafetensorsTensor tensor, bool isTransposed)
    {
        string name = tensor.Name.StartsWith("transformer.", StringComparison.Ordinal) ? tensor.Name["transformer.".Length..] : tensor.Name;
        if (!TryBlock(name, "h.", out string block, out string part))
        {
            return [tensor with { Name = Replace(name, s_gpt) }];
        }

        if (part is "attn.bias" or "attn.masked_bias")
        {
            return [tensor];
        }

        bool isLinear = part.EndsWith(".weight", StringComparison.Ordinal) && tensor.Shape.Count == 2;
        SafetensorsTensor upright = isLinear && isTransposed ? Transpose(tensor) : tensor;
        return part.StartsWith("attn.c_attn.", StringComparison.Ordinal)
            ? SplitThree(path, upright, $"{block}.attention", part["attn.c_attn.".Length..])
            : [upright with { Name = $"{block}.{Replace(part, s_gptBlock)}" }];
    }

    private static IEnumerable<SafetensorsTensor> OfVit(string path, SafetensorsTensor tensor)
    {
        if (!TryBlock(tensor.Name, "blocks.", out string block, out string part))
        {
            string name = Replace(tensor.Name, s_vit);
            return [tensor with { Name = name, Shape = name is "token" or "positions" ? [.. tensor.Shape.SkipWhile(static size => size == 1)] : tensor.Shape }];
        }

        return part.StartsWith("attn.qkv.", StringComparison.Ordinal)
            ? SplitThree(path, tensor, $"{block}.attention", part["attn.qkv.".Length..])
            : [tensor with { Name = $"{block}.{Replace(part, s_vitBlock)}" }];
    }

    /// <summary>Takes <c>h.0.rest</c> apart into <c>block1</c> and <c>rest</c>: blocks count from 1 here.</summary>
    private static bool TryBlock(string name, string prefix, out string block, out string part)
    {
        (block, part) = (string.Empty, string.Empty);
        int end = name.StartsWith(prefix, StringComparison.Ordinal) ? name.IndexOf('.', prefix.Length) : -1;
        if (end < 0 || !int.TryParse(name.AsSpan(prefix.Length, end - prefix.Length), out int number))
        {
            return false;
        }

        (block, part) = ($"block{number + 1}", name[(end + 1)..]);
        return true;
    }

    private static string Replace(string name, (string Theirs, string Ours)[] prefixes)
    {
        foreach ((string theirs, string ours) in prefixes)
        {
            if (name.StartsWith(theirs, StringComparison.Ordinal))
            {
                return ours + name[theirs.Length..];
            }
        }

        return name;
    }

    /// <summary>Rows of query, key and value, one after another.</summary>
    private static IEnumerable<SafetensorsTensor> SplitThree(string path, SafetensorsTensor tensor, string layer, string what)
    {
        if (tensor.Shape.Count == 0 || tensor.Shape[0] % 3 != 0)
        {
            throw new InvalidDataException(
                $"{path}: tensor '{tensor.Name}' has shape [{string.Join(", ", tensor.Shape)}]; wanted rows of query, key and value, as many each.");
        }

        int length = tensor.Values.Length / 3;
        int[] shape = [tensor.Shape[0] / 3, .. tensor.Shape.Skip(1)];
        return ((string[])["query", "key", "value"]).Select(
            (part, i) => new SafetensorsTensor($"{layer}.{part}.{what}", shape, tensor.Values.Slice(i * length, length)));
    }

    private static SafetensorsTensor Transpose(SafetensorsTensor tensor)
    {
        (int rows, int columns) = (tensor.Shape[0], tensor.Shape[1]);
        var transposed = new float[tensor.Values.Length];
        ReadOnlySpan<float> values = tensor.Values.Span;
        for (int row = 0; row < rows; row++)
        {
            for (int column = 0; column < columns; column++)
            {
                transposed[(column * rows) + row] = values[(row * columns) + column];
            }
        }

        return tensor with { Shape = [columns, rows], Values = transposed };
    }
}
