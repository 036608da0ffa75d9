using System.Globalization;
using KFac.Engine;
using KFac.Kernels;

namespace KFac.Nn;

/// <summary>The thesis's figures 4.1 and 4.2: every quantity of K-FAC-expand and K-FAC-reduce for one layer, as grey-scale matrices.</summary>
public static class ExactnessFigure
{
    /// <summary>Which layer the thesis shows: the third of six.</summary>
    public const int ThesisLayer = 2;

    private const double SmallSide = 96;
    private const double LargeSide = 224;

    private static readonly SharingApproximation[] Approximations = [SharingApproximation.Expand, SharingApproximation.Reduce];

    /// <summary>Draws one layer of a case: expand above, reduce below, the exact GGN between them.</summary>
    /// <param name="exactnessCase">Without ragged examples.</param>
    public static MatrixFigure Draw(Device device, ExactnessCase exactnessCase, int layer, ulong seed)
    {
        ArgumentNullException.ThrowIfNull(exactnessCase);
        if (exactnessCase.RaggedOffsets is not null)
        {
            throw new ArgumentException($"Case '{exactnessCase.Name}' has ragged examples; wanted a common sharing dimension.");
        }

        using var experiment = new ExactnessExperiment(device, exactnessCase, seed);
        KroneckerLayer shown = experiment.Layers[layer];
        HostMatrix exact = experiment.ExactGgn(layer);
        Quantities[] quantities = [.. Approximations.Select(approximation => new Quantities(experiment, approximation, layer, exact))];
        double curvature = quantities.Select(static each => each.Product).Append(exact).Max(static each => each.LargestMagnitude());
        double error = quantities.Max(static each => each.Error.LargestMagnitude());
        return new MatrixFigure
        {
            Title = $"K-FAC-expand and K-FAC-reduce in the {exactnessCase.Setting.ToString().ToLowerInvariant()} setting",
            Subtitle = Subtitle(exactnessCase, experiment, shown),
            Note = "Grey is the square root of the magnitude: black is zero, white the largest of the panel. A ⊗ B and the exact GGN share one scale, and so do the two errors.",
            RowLabels = ["K-FAC-expand", "K-FAC-reduce"],
            Columns =
            [
                [.. quantities.Select(static each => Panel("in_data", each.InData, SmallSide / each.InData.Columns))],
                [.. quantities.Select(each => Panel("out_grads", each.OutGrads, LargeSide / quantities[0].OutGrads.Rows))],
                [.. quantities.Select(static each => Panel("A", each.A, SmallSide / each.A.Columns))],
                [.. quantities.Select(static each => Panel("B", each.B, SmallSide / each.B.Columns))],
                [.. quantities.Select(each => LargePanel("A ⊗ B", each.Product, curvature))],
                [LargePanel("exact GGN", exact, curvature)],
                [.. quantities.Select(each => LargePanel("|A ⊗ B − GGN|", each.Error, error) with { Captions = [each.Verdict] })],
            ],
        };
    }

    private static string Subtitle(ExactnessCase exactnessCase, ExactnessExperiment experiment, KroneckerLayer layer)
    {
        TensorShape shape = exactnessCase.InputShape;
        return $"{layer.Name} of {experiment.Layers.Count} of a deep linear network with Gaussian likelihood: N = {shape[0]}, R = {shape.Rows / shape[0]}, P_in = {layer.FactorInputWidth}, P_out = {layer.OutputWidth}";
    }

    private static MatrixPanel Panel(string title, HostMatrix matrix, double cell) =>
        new(title, matrix, matrix.Columns * cell, matrix.Rows * cell) { Captions = [$"{matrix.Rows} × {matrix.Columns}"] };

    private static MatrixPanel LargePanel(string title, HostMatrix matrix, double whiteAt) =>
        Panel(title, matrix, LargeSide / matrix.Columns) with { WhiteAt = whiteAt };

    /// <summary>What one band of the figure shows.</summary>
    private sealed class Quantities
    {
        public Quantities(ExactnessExperiment experiment, SharingApproximation approximation, int layer, HostMatrix exact)
        {
            HostLayerRows rows = experiment.CaptureRows(layer);
            InData = rows.InData(approximation);
            OutGrads = rows.OutGrads(approximation);
            (A, B) = experiment.Factors(approximation)[layer];
            Product = HostMatrix.Kronecker(A, B);
            Error = Product.AbsoluteDifference(exact);
            Verdict = Describe(Product.RelativeError(exact));
        }

        public HostMatrix InData { get; }

        public HostMatrix OutGrads { get; }

        public HostMatrix A { get; }

        public HostMatrix B { get; }

        public HostMatrix Product { get; }

        public HostMatrix Error { get; }

        public string Verdict { get; }

        private static string Describe(double relativeError) => relativeError <= ExactnessCase.MaximumExactError
            ? string.Create(CultureInfo.InvariantCulture, $"relative error {relativeError:0.0e+0}: exact")
            : string.Create(CultureInfo.InvariantCulture, $"relative error {relativeError:0.00}: not exact");
    }
}
