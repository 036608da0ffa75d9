using KFac.Engine;
using KFac.Kernels;

namespace KFac.Nn;

/// <summary>One layer in a model's summary.</summary>
/// <param name="Name">As in messages and files.</param>
/// <param name="InputWidth">P_in, without the bias.</param>
/// <param name="OutputWidth">P_out.</param>
/// <param name="HasBias">Whether there is a bias.</param>
/// <param name="Parameters">Number of weights and biases.</param>
/// <param name="InputFactorSize">Rows and columns of A.</param>
/// <param name="OutputFactorSize">Rows and columns of B.</param>
public sealed record LayerSummary(
    string Name, int InputWidth, int OutputWidth, bool HasBias, long Parameters, int InputFactorSize, int OutputFactorSize)
{
    /// <summary>Whether only the diagonal of B is kept.</summary>
    public bool HasDiagonalOutput { get; init; }

    internal long FactorElements =>
        ((long)InputFactorSize * InputFactorSize) + (HasDiagonalOutput ? OutputFactorSize : (long)OutputFactorSize * OutputFactorSize);
}

/// <summary>A parameter without Kronecker structure in a model's summary.</summary>
/// <param name="Name">As in messages and files.</param>
/// <param name="Parameters">Number of elements.</param>
public sealed record ParameterSummary(string Name, long Parameters);

/// <summary>What a model consists of, as data.</summary>
/// <param name="Layers">In the order of <see cref="ICurvatureModel.Layers"/>.</param>
/// <param name="OtherParameters">Parameters without Kronecker structure, in the order of the flat vectors.</param>
/// <param name="Parameters">Number of trained numbers in all.</param>
/// <param name="FactorElements">Numbers in all Kronecker factors together.</param>
public sealed record ModelSummary(
    IReadOnlyList<LayerSummary> Layers, IReadOnlyList<ParameterSummary> OtherParameters, long Parameters, long FactorElements)
{
    /// <summary>Bytes of the parameters and their gradients; momentum and the like come on top, as much again for each.</summary>
    public long ParameterBytes => 2 * sizeof(float) * Parameters;

    /// <summary>Bytes of the Kronecker factors' moving averages.</summary>
    public long FactorBytes => sizeof(float) * FactorElements;

    /// <summary>Bytes of the factors' inverses, or of their eigenvectors.</summary>
    public long InverseBytes => sizeof(float) * FactorElements;

    /// <summary>Bytes that values and gradients of one training step take; 0 where no step was tried.</summary>
    public long StepBytes { get; init; }

    /// <summary>Summarises a workload's model: builds it and tries one forward and backward pass on its first examples, for the
    /// memory that a step takes. No factor, inverse or optimizer state is allocated.</summary>
    /// <exception cref="ArgumentException">A batch holds more examples than there are.</exception>
    public static ModelSummary Of(Device device, Workload workload, TrainingProblem problem, ulong seed)
    {
        ArgumentNullException.ThrowIfNull(device);
        ArgumentNullException.ThrowIfNull(workload);
        ArgumentNullException.ThrowIfNull(problem);
        using Network network = problem.CreateNetwork(device, seed);
        using MiniBatch batch = problem.CreateBatch(device.DefaultStream, workload.BatchSize);
        batch.FillForTraining(new BatchOrder(problem.CountOf(DataPart.Train), workload.BatchSize, seed).Next(), default);
        batch.Forward(network);
        network.SetTargets(batch.Targets);
        network.Backward();
        return Of(network) with { StepBytes = network.PassBytes };
    }

    /// <summary>Summarises a network.</summary>
    public static ModelSummary Of(Network network)
    {
        ArgumentNullException.ThrowIfNull(network);
        List<LayerSummary> layers = [.. network.Layers.Select(Summarise)];
        List<ParameterSummary> others =
        [
            .. network.Parameters.Blocks.Where(static block => block.Layer < 0)
                .Select(static block => new ParameterSummary(block.Name, (long)block.Rows * block.Columns)),
        ];
        return new ModelSummary(
            layers,
            others,
            layers.Sum(static layer => layer.Parameters) + others.Sum(static parameter => parameter.Parameters),
            layers.Sum(static layer => layer.FactorElements));
    }

    private static LayerSummary Summarise(KroneckerLayer layer) => new(
        layer.Name,
        layer.InputWidth,
        layer.OutputWidth,
        layer.HasBias,
        (long)layer.OutputWidth * layer.FactorInputWidth,
        layer.FactorInputWidth,
        layer.OutputWidth)
    {
        HasDiagonalOutput = layer.HasDiagonalOutput,
    };
}
