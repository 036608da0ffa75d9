using KFac.Engine;

namespace KFac.Cli;

/// <summary>M, R and P of a layer's inputs.</summary>
internal readonly record struct FactorShape(int Examples, int Sharing, int Width)
{
    /// <summary>Layers of ViT-S/16, of GPT-2 small, a skinny one of a Wide ResNet, and a graph network's with all graphs alike.</summary>
    public static IReadOnlyList<FactorShape> Defaults { get; } =
    [
        new(64, 196, 384), new(64, 196, 1536), new(8, 1024, 768), new(8, 1024, 3072), new(64, 1024, 64), new(512, 25, 300),
    ];

    /// <summary>As in results.</summary>
    public static string NameOf(SharingApproximation approximation) =>
        approximation == SharingApproximation.Expand ? "expand" : "reduce";

    /// <summary>As on the command line: M,R,P.</summary>
    public override string ToString() => $"{Examples},{Sharing},{Width}";
}

/// <summary>A batch of M graphs of <paramref name="Least"/> to <paramref name="Most"/> nodes, P features a node.</summary>
internal readonly record struct RaggedShape(int Examples, int Least, int Most, int Width)
{
    /// <summary>Molecules, about as many rows as <see cref="FactorShape.Defaults"/>' last.</summary>
    public static IReadOnlyList<RaggedShape> Defaults { get; } = [new(512, 20, 30, 300)];

    /// <summary>M+1 offsets. Sizes go from least to most again and again, so half of any large batch is below the mean.</summary>
    public int[] Offsets()
    {
        var offsets = new int[Examples + 1];
        for (int n = 0; n < Examples; n++)
        {
            offsets[n + 1] = offsets[n] + Least + (n % (Most - Least + 1));
        }

        return offsets;
    }

    /// <summary>As on the command line: M,LEAST,MOST,P.</summary>
    public override string ToString() => $"{Examples},{Least},{Most},{Width}";
}
